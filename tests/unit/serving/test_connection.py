"""When a connection is ended: on a clock of the test's own, without sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from seatrial.domain.errors import HeadersTooLargeError, TooManyConnectionsError
from seatrial.serving.asgi import Receive, Scope, Send, json_reply
from seatrial.serving.connection import Connection, ConnectionLimits, Door

LIMITS = ConnectionLimits(max_header_bytes=1000, max_connections=2, headers_s=10, keep_alive_s=75, unread_s=30)
GET = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"


class Wire(asyncio.Transport):
    """A transport that keeps what is written, unless its client does not read."""

    def __init__(self, *, read: bool = True) -> None:
        super().__init__()
        self.written = b""
        self.ended = ""
        self._read = read

    def write(self, data: Any) -> None:
        self.written += data

    def get_write_buffer_size(self) -> int:
        return 0 if self._read else len(self.written)

    def can_write_eof(self) -> bool:
        return False

    def is_closing(self) -> bool:
        return bool(self.ended)

    def close(self) -> None:
        self.ended = self.ended or "closed"

    def abort(self) -> None:
        self.ended = "aborted"

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    await json_reply(200, {}).send(send)


class Port:
    """Connections of one port, and what was counted."""

    def __init__(self, limits: ConnectionLimits = LIMITS) -> None:
        self.counts: list[str] = []
        self.door = Door(limits, self.counts.append)
        self._config = uvicorn.Config(app, http=Connection, ws="none", log_config=None, proxy_headers=False)
        self._state = ServerState()
        self.now_s = asyncio.get_running_loop().time()

    def connect(self, wire: Wire) -> Connection:
        connection = Connection(self._config, self._state, {}, self.door)
        connection.connection_made(wire)
        return connection


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def on_a_loop(test: Callable[[Port], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    def run() -> None:
        async def scenario() -> None:
            await test(Port())

        asyncio.run(scenario())

    return run


@on_a_loop
async def test_silence_is_ended_in_silence_and_half_a_head_with_a_408(port: Port) -> None:
    silent, slow = Wire(), Wire()
    one, two = port.connect(silent), port.connect(slow)
    two.data_received(GET[:20])
    for connection in (one, two):
        connection.review(port.now_s + 9)
    assert not silent.is_closing()
    assert not slow.written
    for connection in (one, two):
        connection.review(port.now_s + 11)
    assert (silent.written, silent.ended) == (b"", "closed")
    assert slow.written.startswith(b"HTTP/1.1 408 ")
    assert port.counts == ["slow_request"]
    two.data_received(GET)
    two.review(port.now_s + 13)
    assert slow.ended == "aborted"
    assert slow.written.count(b"HTTP/1.1") == 1, "who was refused is not heard again"


@on_a_loop
async def test_the_time_for_headers_begins_anew_with_each_request(port: Port) -> None:
    wire = Wire()
    connection = port.connect(wire)
    connection.data_received(GET)
    await settled()
    assert wire.written.startswith(b"HTTP/1.1 200 ")
    connection.review(port.now_s + 70)
    assert not wire.is_closing()
    connection.review(port.now_s + 76)
    assert wire.ended == "closed"
    assert port.counts == []


@on_a_loop
async def test_an_answer_that_is_not_read_is_given_up(port: Port) -> None:
    wire = Wire(read=False)
    connection = port.connect(wire)
    connection.data_received(GET)
    await settled()
    for seconds in (0, 29):
        connection.review(port.now_s + seconds)
        assert not wire.is_closing()
    connection.review(port.now_s + 31)
    assert wire.ended == "aborted"
    assert port.counts == ["unread_answer"]


@on_a_loop
async def test_the_third_of_two_connections_is_told_and_the_fifth_is_not(port: Port) -> None:
    wires = [Wire() for _ in range(5)]
    opened = [port.connect(wire) for wire in wires]
    assert [type(connection._fault) is TooManyConnectionsError for connection in opened[:4]] == [False] * 2 + [True] * 2
    assert [wire.written[9:12] for wire in wires] == [b"", b"", b"503", b"503", b""]
    assert wires[4].ended == "aborted"
    assert port.counts == ["connections"] * 3


@on_a_loop
async def test_a_head_over_the_limit_stops_the_parser(port: Port) -> None:
    connection = port.connect(Wire())
    connection.on_message_begin()
    connection.on_header(b"x", b"y" * 1000)
    with pytest.raises(HeadersTooLargeError, match="1000 bytes"):
        connection.on_headers_complete()


@on_a_loop
async def test_a_port_that_closes_lets_a_late_request_in(port: Port) -> None:
    late, idle = Wire(), Wire()
    one, two = port.connect(late), port.connect(idle)
    port.door.closing = True
    one.shutdown()
    two.shutdown()
    one.data_received(GET)
    await settled()
    assert b"connection: close" in late.written
    assert late.ended == "closed"
    two.review(port.now_s + 0.5)
    assert not idle.is_closing()
    two.review(port.now_s + 2)
    assert idle.ended == "aborted"


@pytest.mark.parametrize(
    ("headers_s", "review_s"), [(10.0, 0.25), (0.4, 0.1)], ids=["as set by default", "shorter for short limits"]
)
def test_connections_are_looked_at_often_enough(headers_s: float, review_s: float) -> None:
    assert ConnectionLimits(1, 1, headers_s, 75, 30).review_s == pytest.approx(review_s)
