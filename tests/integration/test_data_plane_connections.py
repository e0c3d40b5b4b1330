"""Clients that are slow, silent, endless or rude: none holds a connection for ever, none holds up the others."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from seatrial.bundle import Bundle
from seatrial.domain.inference import Outcome
from seatrial.serving.connection import Connection
from tests.builders import onnx_bundle
from tests.data_plane import Held, Running, eventually, in_background, running
from tests.raw_client import predict_bytes, raw_client

SHORT: dict[str, Any] = {"headers_s": 0.3, "keep_alive_s": 0.4, "unread_s": 0.4, "deadline_s": 0.5}
LONG_S = 1000.0
DRIBBLE = [bytes([byte]) for byte in b"POST /predict HTTP/1.1\r\n" + b"X: y\r\n" * 1000]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return onnx_bundle(tmp_path_factory.mktemp("served") / "bundle")


@pytest.fixture(scope="module")
def plane(bundle: Bundle) -> Iterator[Running]:
    with running([bundle], **SHORT, max_body_bytes=200_000) as run:
        yield run


@pytest.fixture(scope="module")
def patient(bundle: Bundle) -> Iterator[Running]:
    with running([bundle], headers_s=LONG_S, keep_alive_s=LONG_S, unread_s=LONG_S, max_header_bytes=4096) as run:
        yield run


@contextlib.contextmanager
def counted(run: Running, reason: str, times: int = 1) -> Iterator[None]:
    """The block makes the refusals of one reason go up by so many, and nothing is in flight after it."""
    series = ("inference_rejected_total", f"reason={reason}")
    before = run.samples().get(series, 0.0)
    yield
    eventually(lambda: run.samples().get(series, 0.0) - before == times)
    eventually(lambda: run.samples()["inference_in_flight", ""] == 0)


def only_connection(run: Running) -> Connection:
    (connection,) = run.server._public.server_state.connections
    assert isinstance(connection, Connection)
    return connection


def connections(run: Running) -> int:
    return len(run.server._public.server_state.connections)


def test_headers_that_dribble_are_a_408_and_the_end(plane: Running) -> None:
    with counted(plane, "slow_request"), raw_client(plane) as client:
        sent = client.dribble(DRIBBLE)
        assert sent < 100
        answer = client.to_the_end()
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"headers did not arrive" in answer


def test_headers_that_dribble_on_a_connection_that_was_used_before_end_too(plane: Running) -> None:
    with counted(plane, "slow_request"), raw_client(plane) as client:
        client.send(predict_bytes())
        assert b"positive" in client.until(b'"}')
        assert client.dribble(DRIBBLE) < 100
        assert client.to_the_end().startswith(b"HTTP/1.1 408 ")


def test_blank_lines_do_not_count_as_a_request(plane: Running) -> None:
    with counted(plane, "slow_request"), raw_client(plane) as client:
        assert client.dribble([b"\r\n"] * 1000) < 100
        assert client.to_the_end().startswith(b"HTTP/1.1 408 ")


def test_a_connection_that_never_says_anything_is_closed(plane: Running) -> None:
    with counted(plane, "slow_request", times=0), raw_client(plane) as client:
        assert client.to_the_end() == b""


def test_an_idle_connection_is_closed(plane: Running) -> None:
    with raw_client(plane) as client:
        client.send(predict_bytes())
        assert b"positive" in client.until(b'"}')
        assert client.to_the_end() == b""


def test_a_client_that_sends_half_and_closes_its_side_is_cancelled(plane: Running) -> None:
    before = len(plane.collected.records)
    with raw_client(plane) as client:
        client.send(predict_bytes(b'{"texts"', length=100))
        client.half_close()
        client.to_the_end()
    eventually(lambda: len(plane.collected.records) > before)
    assert plane.collected.records[-1].outcome is Outcome.CANCELLED
    eventually(lambda: plane.samples()["inference_in_flight", ""] == 0)


@pytest.mark.parametrize("chunked", [False, True], ids=["declared", "chunked"])
def test_a_body_that_dribbles_is_a_408_and_its_client_is_not_listened_to_for_ever(
    plane: Running, *, chunked: bool
) -> None:
    head, piece = predict_bytes(b"", length=100_000), b"x"
    if chunked:
        head, piece = head.replace(b"Content-Length: 100000", b"Transfer-Encoding: chunked"), b"1\r\nx\r\n"
    with counted(plane, "slow_request", times=2), raw_client(plane) as client:
        client.send(head)
        assert client.dribble([piece] * 5000) < 500
        assert client.until(b'"}').startswith(b"HTTP/1.1 408 ")
        while client.try_to_send(piece):  # goes on sending, as if nothing had been said
            threading.Event().wait(0.02)


def test_a_body_without_end_is_a_413_at_once(plane: Running) -> None:
    head = predict_bytes(b"").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    chunk = b"2000\r\n" + b" " * 0x2000 + b"\r\n"
    with raw_client(plane) as client:
        client.send(head)
        while client.try_to_send(chunk) and not client.answered():
            pass
        assert client.to_the_end().startswith(b"HTTP/1.1 413 ")


def test_a_length_that_is_less_than_the_body_cuts_the_rest_off_as_the_next_request(patient: Running) -> None:
    with counted(patient, "malformed"), raw_client(patient) as client:
        client.send(predict_bytes(b'{"texts": ["good"]}' + b"\x00rest", length=19))
        answers = client.to_the_end()
        assert answers.startswith(b"HTTP/1.1 200 ")
        assert answers.count(b"HTTP/1.1") == 1, "what follows is no request, and has no answer of its own"


def test_both_lengths_at_once_are_refused(patient: Running) -> None:
    with counted(patient, "malformed"), raw_client(patient) as client:
        client.send(predict_bytes(b"", b"Transfer-Encoding: chunked") + b"0\r\n\r\n")
        assert client.to_the_end().startswith(b"HTTP/1.1 400 ")


HUGE_HEADS = {
    "one long value": b"GET /health HTTP/1.1\r\nX: " + b"y" * 5000 + b"\r\n\r\n",
    "one value without end": b"GET /health HTTP/1.1\r\nX: " + b"y" * 300_000,
    "many": b"GET /health HTTP/1.1\r\n" + b"X: y\r\n" * 1000 + b"\r\n",
    "many without end": b"GET /health HTTP/1.1\r\n" + b"X: y\r\n" * 50_000,
    "a long path": b"GET /" + b"x" * 5000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "a path without end": b"GET /" + b"x" * 300_000,
    "a name without end": b"GET /health HTTP/1.1\r\n" + b"x" * 300_000,
    "blank lines without end": b"\r\n" * 150_000,
}


@pytest.mark.parametrize("what", HUGE_HEADS)
def test_huge_headers_are_a_431(patient: Running, what: str) -> None:
    with counted(patient, "headers_too_large"), raw_client(patient) as client:
        client.send(HUGE_HEADS[what])
        answer = client.to_the_end()
        assert answer.startswith(b"HTTP/1.1 431 ")
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"].startswith(
            "Request line and headers are over 4096"
        )


@pytest.mark.parametrize("rest", [b"0\r\nX: " + b"y" * 300_000, b"5;x=" + b"y" * 300_000], ids=["trailer", "extension"])
def test_what_hides_in_a_chunked_body_and_is_no_body_is_limited_like_headers(patient: Running, rest: bytes) -> None:
    head = predict_bytes(b"").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    with counted(patient, "headers_too_large"), raw_client(patient) as client:
        client.send(head + b"2\r\n{}\r\n" + rest)
        assert client.to_the_end().startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS
        b"hello\r\n\r\n",
        b"GET  HTTP/1.1\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\n\r\n",
        b"GET /health HTTP/9.9\r\n\r\n",
        b"GET /health HTTP/1.1\r\nbad header\r\n\r\n",
        b"CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n",
        predict_bytes(b"", length=-1),
        predict_bytes(b"").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked") + b"zz\r\n",
    ],
)
def test_what_is_no_http_is_a_400_with_a_sentence(patient: Running, sent: bytes) -> None:
    with counted(patient, "malformed"), raw_client(patient) as client:
        client.send(sent)
        answer = client.to_the_end()
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert list(json.loads(answer.partition(b"\r\n\r\n")[2])) == ["error"]
    assert patient.predict(["good"]).status == 200


def test_pipelined_requests_are_answered_in_order(patient: Running) -> None:
    bodies = [b'{"texts": ["good"]}', b'{"texts": []}', b'{"texts": ["awful"]}'] * 5
    with raw_client(patient) as client:
        client.send(b"".join(map(predict_bytes, bodies)) + predict_bytes(bodies[0], b"Connection: close"))
        answers = client.to_the_end().split(b"HTTP/1.1 ")[1:]
    assert [answer[:3] for answer in answers] == [b"200", b"400", b"200"] * 5 + [b"200"]
    assert [b'["negative"]' in answer for answer in answers] == [False, False, True] * 5 + [False]


def test_a_bad_request_behind_good_ones_costs_those_nothing(patient: Running) -> None:
    with counted(patient, "malformed"), raw_client(patient) as client:
        client.send(predict_bytes() * 3 + b"nonsense\r\n\r\n" + predict_bytes())
        answers = client.to_the_end().split(b"HTTP/1.1 ")[1:]
    assert [answer[:3] for answer in answers] == [b"200", b"200", b"200"]
    assert b"connection: close" in answers[-1].lower()


def test_requests_without_end_on_one_connection_are_cut_off(patient: Running) -> None:
    with counted(patient, "malformed"), raw_client(patient) as client:
        client.send(b"GET /health HTTP/1.1\r\n\r\n" * 1000)
        assert 64 <= client.to_the_end().count(b"HTTP/1.1 200") <= 66


def test_many_pipelined_requests_wait_outside(bundle: Bundle) -> None:
    held = Held()
    with running([bundle], held.load, sessions=1) as run, raw_client(run) as client:
        client.send(predict_bytes())
        held.entered.acquire()
        for _ in range(10):
            client.send(predict_bytes())
        connection = only_connection(run)
        eventually(lambda: connection.flow.read_paused)
        held.let_go.set()
        received = b""
        while received.count(b"HTTP/1.1 200") < 11:
            received += client.until(b'"}')


def test_a_client_that_never_reads_its_answer_loses_its_connection(plane: Running) -> None:
    eventually(lambda: connections(plane) == 0)
    with counted(plane, "unread_answer"), raw_client(plane, receive_buffer_bytes=4096) as client:
        eventually(lambda: connections(plane) == 1)
        connection = only_connection(plane)
        # The system would otherwise take megabytes off the server's hands.
        connection.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        client.send(b"GET /openapi.json HTTP/1.1\r\n\r\n" * 10)
        eventually(lambda: connections(plane) == 0)
    assert plane.predict(["good"]).status == 200


def test_connections_over_the_limit_are_a_503_until_others_end(bundle: Bundle) -> None:
    with running([bundle], max_connections=3) as run, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(raw_client(run)) for _ in range(3)]
        for client in clients:
            client.send(predict_bytes())
            assert b"positive" in client.until(b'"}')
        with raw_client(run) as fourth:
            fourth.send(predict_bytes())
            refusal = fourth.to_the_end()
        assert refusal.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 1" in refusal
        clients[0].send(predict_bytes())
        assert b"positive" in clients[0].until(b'"}'), "who is connected stays so"
        clients[1].half_close()
        clients[1].to_the_end()
        eventually(lambda: connections(run) == 2)
        assert run.predict(["good"]).status == 200
        assert run.samples()["inference_rejected_total", "reason=connections"] == 1


def test_a_crowd_of_slow_clients_leaves_the_others_their_answers(bundle: Bundle) -> None:
    with running([bundle], headers_s=1.0) as run, contextlib.ExitStack() as stack:
        crowd = [stack.enter_context(raw_client(run)) for _ in range(200)]
        for client in crowd:
            client.send(b"POST /predict HTTP/1.1\r\nHost")
        assert [run.predict(["good"]).status for _ in range(5)] == [200] * 5
        for client in crowd:
            assert client.to_the_end().startswith(b"HTTP/1.1 408 ")
        eventually(lambda: connections(run) == 0)


def test_a_client_that_waits_for_100_continue_gets_it(patient: Running) -> None:
    with raw_client(patient) as client:
        body = b'{"texts": ["good"]}'
        client.send(predict_bytes(b"", b"Expect: 100-continue", length=len(body)))
        client.until(b"HTTP/1.1 100 Continue\r\n\r\n")
        client.send(body)
        assert b"positive" in client.until(b'"}')


def test_a_request_in_flight_outlives_the_time_for_headers_and_for_idling(bundle: Bundle) -> None:
    held = Held()
    with running([bundle], held.load, sessions=1, headers_s=0.1, keep_alive_s=0.1, unread_s=0.1) as run:
        with in_background(lambda: run.predict(["good"])) as answers:
            held.entered.acquire()
            threading.Event().wait(0.6)
            held.let_go.set()
        assert answers[0].status == 200
