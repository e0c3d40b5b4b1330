"""What the data plane says to requests that are none."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from seatrial.bundle import Bundle
from seatrial.domain.inference import Outcome
from tests.builders import onnx_bundle
from tests.data_plane import BAD_BODIES, Running, eventually, running

LIMITS: dict[str, Any] = {"max_texts": 20, "max_text_chars": 1000, "max_body_bytes": 200_000}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return onnx_bundle(tmp_path_factory.mktemp("served") / "bundle")


@pytest.fixture(scope="module")
def plane(bundle: Bundle) -> Iterator[Running]:
    with running([bundle], **LIMITS) as run:
        yield run


@pytest.mark.parametrize("what", BAD_BODIES)
def test_a_body_that_is_no_request_is_a_400(plane: Running, what: str) -> None:
    body = BAD_BODIES[what]
    answer = plane.request("POST", "/predict", body)
    assert answer.status == (413 if len(body) > LIMITS["max_body_bytes"] else 400)
    assert answer.error


@pytest.mark.parametrize(
    ("texts", "place"),
    [([], "texts is empty"), (["good", ""], r"texts[1]"), (["good", "x", " \t\n\u3000"], "texts[2]")],
)
def test_texts_that_say_nothing_are_a_400_that_names_the_place(plane: Running, texts: list[str], place: str) -> None:
    answer = plane.predict(texts)
    assert answer.status == 400
    assert place in answer.error


@pytest.mark.parametrize("length", [0, -1, 1, 2, -(10**30)])
def test_a_length_without_room_for_text_is_a_400(plane: Running, length: int) -> None:
    answer = plane.predict(["good"], max_length=length)
    assert answer.status == 400
    assert "max_length" in answer.error


def test_too_much_of_anything_is_a_413_that_names_the_limit(plane: Running) -> None:
    for texts, limit in ((["good"] * 21, "at most 20"), (["good", "x" * 1001], "texts[1] has 1001")):
        answer = plane.predict(texts)
        assert answer.status == 413
        assert limit in answer.error
    assert plane.request("POST", "/predict", b" " * 200_001).status == 413
    assert plane.request("POST", "/predict", iter([b" " * 50_000] * 5)).status == 413


def test_the_connection_goes_on_after_a_body_that_was_refused_unread(plane: Running) -> None:
    with contextlib.closing(plane.connect()) as connection:
        for body, status in ((b" " * 300_000, 413), (b'{"texts": ["good"]}', 200)):
            connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            assert answer.status == status


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json; charset=utf-16"},
        {"Content-Type": "application/json", "Content-Encoding": "br"},
    ],
)
def test_a_body_declared_as_something_else_is_a_415(plane: Running, headers: dict[str, str]) -> None:
    answer = plane.request("POST", "/predict", '{"texts": ["good"]}', headers)
    assert answer.status == 415
    assert answer.error


def test_a_body_without_a_declared_type_is_read(plane: Running) -> None:
    assert plane.request("POST", "/predict", '{"texts": ["good"]}', {}).status == 200


def test_an_unknown_model_path_or_method_says_what_there_is(plane: Running) -> None:
    answer = plane.predict(["good"], "/models/nope/predict")
    assert answer.status == 404
    assert "tiny" in answer.error
    for path in ("/", "/predict/", "/models", "/models/a/b/predict", "/v3", "/%2e%2e/etc/passwd"):
        answer = plane.request("POST", path, "{}")
        assert answer.status == 404
        assert "/predict" in answer.error
    for method, path in (("GET", "/predict"), ("DELETE", "/models/tiny/predict"), ("PUT", "/health")):
        answer = plane.request(method, path)
        assert answer.status == 405
        assert answer.headers["allow"] in answer.error


def raw(plane: Running, sent: bytes, *, half_close: bool = False) -> bytes:
    """What comes back for these very bytes, up to the end of the connection or a pause."""
    url = urlsplit(plane.addresses.public_url)
    with socket.create_connection((str(url.hostname), url.port or 0), timeout=2) as connection:
        connection.sendall(sent)
        if half_close:
            connection.shutdown(socket.SHUT_WR)
        received = b""
        with contextlib.suppress(TimeoutError, ConnectionResetError):
            while chunk := connection.recv(65536):
                received += chunk
                if b'"}' in received:
                    break
        return received


@pytest.mark.parametrize("declared", [b"-1", b"abc", b"5, 7", b"99999999999999999999999999"])
def test_a_content_length_that_is_none_gets_a_4xx(plane: Running, declared: bytes) -> None:
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: " + declared
    status = raw(plane, head + b"\r\n\r\n{}").split()[1]
    assert status in (b"400", b"413")


def test_a_content_length_shorter_than_the_body_reads_that_much(plane: Running) -> None:
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 5\r\n\r\n"
    assert raw(plane, head + b'{"texts": ["good"]}').startswith(b"HTTP/1.1 400")


def test_a_body_that_does_not_arrive_is_a_408(bundle: Bundle) -> None:
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n"
    with running([bundle], deadline_s=0.2) as run:
        assert raw(run, head + b'{"texts": ["go').startswith(b"HTTP/1.1 408")
        eventually(lambda: bool(run.collected.records))
        assert run.collected.records[0].outcome is Outcome.INVALID


def test_a_slow_client_holds_up_nobody(plane: Running) -> None:
    url = urlsplit(plane.addresses.public_url)
    body = b'{"texts": ["good film"]}'
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    with socket.create_connection((str(url.hostname), url.port or 0), timeout=30) as connection:
        connection.sendall(head % len(body))
        for byte in body[:-1]:
            connection.sendall(bytes([byte]))
        assert plane.predict(["awful"]).document["predictions"] == ["negative"]
        connection.sendall(body[-1:])
        assert b"positive" in connection.recv(65536)
