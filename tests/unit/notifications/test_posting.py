"""Sending to receivers that are well, away, slow, wrong, or elsewhere."""

from __future__ import annotations

import base64
import socket
import threading
from collections.abc import Iterator

import pytest

from seatrial.domain.errors import NotTakenError, UnreachableError
from seatrial.notifications.posting import Post
from tests.receivers import Receiver, receiving
from tests.waiting import free_port


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as listening:
        yield listening


def sent(url: str, timeout_s: float = 10.0) -> None:
    post = Post(url, timeout_s)
    try:
        post.send(b"{}", {"webhook-id": "1"})
    finally:
        post.close()


def test_a_message_arrives_as_it_was_sent(receiver: Receiver) -> None:
    sent(receiver.url)
    ((path, headers, body),) = receiver.came
    assert (path, body, headers["content-type"]) == ("/hooks/secret-path", b"{}", "application/json")
    assert headers["webhook-id"] == "1"
    assert headers["user-agent"].startswith("seatrial/")


def test_name_and_password_of_the_address_are_sent_as_a_header_and_shown_nowhere(receiver: Receiver) -> None:
    receiver.answers = [401]
    with pytest.raises(NotTakenError) as failed:
        sent(receiver.url.replace("://", "://ann:pass@"))
    assert receiver.came[0][1]["authorization"] == f"Basic {base64.b64encode(b'ann:pass').decode()}"
    assert "ann" not in str(failed.value)
    assert "pass" not in str(failed.value)


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503])
def test_any_other_answer_is_a_failure(receiver: Receiver, status: int) -> None:
    receiver.answers = [status]
    with pytest.raises(NotTakenError, match=rf"answered {status}, not 2xx") as failed:
        sent(receiver.url)
    assert (failed.value.status, failed.value.again_in_s) == (status, 0.0)
    assert "secret-path" not in str(failed.value)


@pytest.mark.parametrize(
    ("asked", "again_in_s"), [("120", 120.0), ("9999999", 3600.0), ("Wed, 21 Oct", 0.0), ("²", 0.0)]
)
def test_a_receiver_may_ask_for_time(receiver: Receiver, asked: str, again_in_s: float) -> None:
    receiver.answers, receiver.headers = [503], {"retry-after": asked}
    with pytest.raises(NotTakenError) as failed:
        sent(receiver.url)
    assert failed.value.again_in_s == again_in_s


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_no_redirect_is_followed(receiver: Receiver, status: int) -> None:
    with receiving() as elsewhere:
        receiver.answers, receiver.headers = [status], {"location": elsewhere.url}
        with pytest.raises(NotTakenError, match="redirects are not followed"):
            sent(receiver.url)
    assert elsewhere.came == []


def test_nobody_listens() -> None:
    with pytest.raises(UnreachableError, match=r"http://127\.0\.0\.1:[0-9]+/\*\*\* does not answer \(ConnectError\)"):
        sent(f"http://127.0.0.1:{free_port()}/secret-path")


def test_a_receiver_that_takes_its_time_is_given_up(receiver: Receiver) -> None:
    go_on = threading.Event()
    receiver.before_answering = lambda _body: assert_set(go_on)
    with pytest.raises(UnreachableError, match="ReadTimeout"):
        sent(receiver.url, timeout_s=0.05)
    go_on.set()


def test_what_answers_is_no_http() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=lambda: nonsense(listener))
        thread.start()
        with pytest.raises(UnreachableError, match="does not answer"):
            sent(f"http://127.0.0.1:{listener.getsockname()[1]}/")
        thread.join()


def assert_set(event: threading.Event) -> None:
    assert event.wait(60)


def nonsense(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.recv(65_536)
        connection.sendall(b"220 a mail server\r\n")
