from __future__ import annotations

import asyncio
import json
import socket
from collections import Counter

from seatrial.loadgen.plan import Bounds, Closed, Expected, Load, Mix, Open, Target
from seatrial.loadgen.results import LoadResult
from seatrial.loadgen.running import run_load
from tests.scripted_server import Received, Script, ScriptedServer, answering, prediction

TEXTS = ("four", "three", "two words", "one")
EXPECTED = Expected(
    tuple(json.loads(prediction(TEXTS))["predictions"]),
    tuple(map(tuple, json.loads(prediction(TEXTS))["probabilities"])),
)
MIX = Mix(TEXTS, sizes=(1, 2), expected={"1": EXPECTED})


def bounds(requests: int, window_s: float = 60.0, drain_s: float = 30.0, timeout_s: float = 60.0) -> Bounds:
    return Bounds(0.0, window_s, requests, timeout_s, drain_s)


def load(script: Script, *, mix: Mix = MIX, **plan: object) -> tuple[LoadResult, ScriptedServer]:
    async def run() -> tuple[LoadResult, ScriptedServer]:
        async with answering(script) as server:
            return await run_load(Load(Target("127.0.0.1", server.port), mix, **plan)), server  # type: ignore[arg-type]  # forwarded

    return asyncio.run(run())


async def right(request: Received) -> tuple[int, bytes]:
    return 200, prediction(request.texts)


def test_a_closed_loop_sends_what_it_was_told_over_as_many_connections_as_it_has_clients() -> None:
    result, server = load(right, closed=Closed(3), bounds=bounds(200))
    assert result.total.outcomes == {"200": 200}
    assert (len(server.received), server.connections, result.wrong) == (200, 3, 0)
    assert result.window.texts == sum(len(request.texts) for request in server.received)
    assert result.window == result.total, "where the requests run out, the window ends with the last answer"


def test_a_closed_loop_never_has_more_requests_out_than_clients() -> None:
    out = most = 0

    async def script(request: Received) -> tuple[int, bytes]:
        nonlocal out, most
        out += 1
        most = max(most, out)
        await asyncio.sleep(0)
        out -= 1
        return await right(request)

    load(script, closed=Closed(4), bounds=bounds(100))
    assert most == 4


def test_a_stall_of_the_server_shows_in_an_open_loop_and_hides_in_a_closed_one() -> None:
    """The server answers nobody until its 40th request is there. At 200 a second the first ones wait for 0.2 s."""

    def stalling(ends_with: int) -> Script:
        over = asyncio.Event()

        async def script(request: Received) -> tuple[int, bytes]:
            if request.number + 1 >= ends_with:
                over.set()
            await over.wait()
            return await right(request)

        return script

    opened, _ = load(stalling(40), open=Open(200, poisson=False), bounds=bounds(80))
    assert opened.total.outcomes == {"200": 80}
    assert opened.answered.max_ms >= 190, "the first request was due 39 arrivals before the end of the stall"
    assert opened.answered.p90_ms >= 150, "8 of 80 waited for longer than 31 arrivals"
    closed, server = load(stalling(2), closed=Closed(2), bounds=bounds(80))
    assert server.connections == 2, "whatever a stall lasts, a closed loop has one slow answer a client"
    assert closed.total.outcomes == {"200": 80}


def test_requests_that_wait_in_the_client_are_late_and_that_counts() -> None:
    """One connection and an answer only when four more arrivals are due: the client itself must queue."""

    async def script(request: Received) -> tuple[int, bytes]:
        await asyncio.sleep(0.02)
        return await right(request)

    result, server = load(script, open=Open(200, poisson=False, max_connections=1), bounds=bounds(20))
    assert server.connections == 1
    assert result.lateness.max_ms >= 200, "the last was due after 95 ms and sent after 19 answers of 20 ms"
    assert result.answered.max_ms >= result.lateness.max_ms


def test_wrong_answers_are_counted_and_explained() -> None:
    async def script(request: Received) -> tuple[int, bytes]:
        texts = request.texts[::-1] if request.number % 10 else ["no"] * len(request.texts)
        return 200, prediction(texts, version="1")

    result, _ = load(script, closed=Closed(2), bounds=bounds(100))
    assert result.wrong > 10
    assert "version 1 answered" in result.wrong_examples[0]


def test_bad_requests_must_be_refused() -> None:
    def is_good(body: bytes) -> bool:
        return body.startswith(b'{"texts":["') and body.endswith(b'"]}')

    async def strict(request: Received) -> tuple[int, bytes]:
        return (200, prediction(request.texts)) if is_good(request.body) else (400, b"{}")

    async def lax(request: Received) -> tuple[int, bytes]:
        return (200, prediction(request.texts)) if is_good(request.body) else (200, b"{}")

    mix = Mix(TEXTS, bad_ratio=0.3, expected={"1": EXPECTED})
    refused, _ = load(strict, mix=mix, closed=Closed(2), bounds=bounds(100))
    served, _ = load(lax, mix=mix, closed=Closed(2), bounds=bounds(100))
    assert refused.wrong == 0
    assert served.wrong == refused.total.outcomes["400"] > 10


def test_clients_that_leave_are_neither_lost_nor_wrong_and_the_load_goes_on() -> None:
    async def script(request: Received) -> tuple[int, bytes]:
        await asyncio.sleep(0.001)
        return await right(request)

    mix = Mix(TEXTS, cancelled_ratio=0.2, leaves_within_s=0.0, expected={"1": EXPECTED})
    result, _ = load(script, mix=mix, closed=Closed(2), bounds=bounds(100))
    assert 10 < result.total.outcomes["cancelled"] < 40
    assert result.total.outcomes["200"] + result.total.outcomes["cancelled"] == 100
    assert (result.wrong, result.unanswered_sent_s) == (0, ())


def test_a_connection_that_ends_is_a_reset_and_the_client_opens_another() -> None:
    async def script(request: Received) -> tuple[int, bytes] | None:
        return None if request.number % 10 == 5 else await right(request)

    result, server = load(script, closed=Closed(1), bounds=bounds(50))
    assert result.total.outcomes == {"200": 45, "reset": 5}
    assert (server.connections, len(result.unanswered_sent_s)) == (6, 5)


def test_an_answer_that_is_no_http_is_a_reset() -> None:
    async def run() -> LoadResult:
        async def connected(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HELLO\r\n\r\n")
            writer.close()
            await writer.wait_closed()

        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        async with server:
            target = Target("127.0.0.1", server.sockets[0].getsockname()[1])
            return await run_load(Load(target, MIX, closed=Closed(1), bounds=bounds(3)))

    assert asyncio.run(run()).total.outcomes == {"reset": 3}


def test_where_nobody_listens_every_request_is_refused() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        target = Target("127.0.0.1", probe.getsockname()[1])
        result = asyncio.run(run_load(Load(target, MIX, closed=Closed(2), bounds=bounds(4))))
    assert result.total.outcomes == {"refused": 4}
    assert result.unanswered_sent_s == ()


def test_an_answer_that_does_not_come_is_a_timeout() -> None:
    async def script(_request: Received) -> tuple[int, bytes]:
        await asyncio.Event().wait()
        raise AssertionError

    result, _ = load(script, closed=Closed(2), bounds=bounds(4, timeout_s=0.02))
    assert result.total.outcomes == {"timeout": 4}
    cut_off, _ = load(script, closed=Closed(2), bounds=bounds(10, window_s=0.05, drain_s=0.01))
    assert cut_off.total.outcomes == {"timeout": 2}, "what is out when the load ends is not forgotten"
    assert cut_off.window.requests == 0


def test_the_window_ends_though_requests_are_left() -> None:
    result, server = load(right, closed=Closed(1), bounds=Bounds(0.02, 0.05))
    assert 0 < result.window.requests < result.total.requests == len(server.received)
    assert 0.05 <= result.window_s < 5


def test_statuses_are_told_apart() -> None:
    async def script(request: Received) -> tuple[int, bytes]:
        return (503, b"{}") if request.number % 4 == 0 else await right(request)

    result, _ = load(script, closed=Closed(1), bounds=bounds(40))
    assert Counter(result.total.outcomes) == {"200": 30, "503": 10}
    assert result.wrong == 0, "turning away is no wrong answer"
