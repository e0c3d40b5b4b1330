"""One HTTP connection within its limits: what a client may send, how long it may take, and how it is parted from.

uvicorn limits neither the size of headers nor the time they take, and its keep-alive time ends with the first byte, so
a client that dribbles could hold a connection for ever. Here each connection notes when its client began to keep it
waiting, and `Door.review` ends those that wait for too long: no timer per request.

Source: RFC 9112 section 9 (connection management); RFC 6585 section 5 (431).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import uvicorn
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from seatrial.domain.errors import (
    HeadersTooLargeError,
    InvalidRequestError,
    RequestError,
    SlowRequestError,
    TooManyConnectionsError,
)
from seatrial.serving.http_errors import error_reply, error_row

__all__ = ["Connection", "ConnectionLimits", "Door"]

_MOST_PIPELINED = 64
"""Requests one client may send before it has read an answer."""
_MOST_REVIEW_S = 0.25
_LINGER_S = 1.0
"""How long a refused client may take to read why; closing at once would reset the connection and lose the answer."""


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What the clients of one port may do; the settings of the same names say why.

    Attributes:
        parting_s: how long a connection that is idle when the port closes may still bring a request.
    """

    max_header_bytes: int
    max_connections: int
    headers_s: float
    keep_alive_s: float
    unread_s: float
    parting_s: float = 1.0

    @property
    def review_s(self) -> float:
        """How often connections are looked at."""
        return min(_MOST_REVIEW_S, self.headers_s / 4, self.keep_alive_s / 4, self.unread_s / 4)


class Door:
    """What all connections of one port share.

    Args:
        count: told the reason of each refusal.

    Attributes:
        closing: every answer says from now on that its connection ends with it.
    """

    def __init__(self, limits: ConnectionLimits, count: Callable[[str], None]) -> None:
        self.limits = limits
        self.count = count
        self.closing = False

    async def review(self, connections: Iterable[Any]) -> None:
        """Ends connections that keep the server waiting, for as long as it runs; `connections` may change meanwhile."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self.limits.review_s)
            now_s = loop.time()
            for connection in tuple(connections):
                connection.review(now_s)


class Connection(HttpToolsProtocol):
    """uvicorn's connection, with limits."""

    def __init__(self, config: uvicorn.Config, state: ServerState, app_state: dict[str, Any], door: Door) -> None:
        super().__init__(config, state, app_state)
        self._door = door
        self._fault: RequestError | None = None
        self._deaf = False
        self._end_at_s: float | None = None  # it will be ended then, whatever the client does
        self._head_since_s: float | None = None  # headers are awaited since
        self._unread_since_s: float | None = None  # the client has not taken what it was sent since
        self._answered_s = 0.0
        self._body_arrives = False
        self._barren_bytes = 0  # received since the last byte of a body or the last whole head

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Takes the connection, or refuses it where there are too many."""
        super().connection_made(transport)
        self.flow = _Backpressure(transport, self.pipeline)
        self._head_since_s = self.loop.time()
        excess = len(self.connections) - self._door.limits.max_connections
        if excess > self._door.limits.max_connections:  # even those that are being refused are too many
            self._end("connections")
        elif excess > 0:
            self._refuse(TooManyConnectionsError("Too many connections are open: come back later, or share them."))

    def data_received(self, data: bytes) -> None:
        """Reads on, unless the client was refused."""
        if self._deaf:
            return
        if self._head_since_s is None and not self._body_arrives:
            self._head_since_s = self.loop.time()
        self._barren_bytes += len(data)
        super().data_received(data)
        if self._barren_bytes > self._door.limits.max_header_bytes and not self._deaf:
            self._unset_keepalive_if_required()
            self._refuse(self._too_large())

    def on_message_begin(self) -> None:
        """A request begins, perhaps while an earlier one is still answered."""
        if self._head_since_s is None:
            self._head_since_s = self.loop.time()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """A request has its headers; refuses them where they, or the requests before them, are too many."""
        self._head_since_s = None
        self._barren_bytes = 0
        size_bytes = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size_bytes > self._door.limits.max_header_bytes:
            self._fault = self._too_large()
            raise self._fault  # the parser stops, and gives it to send_400_response
        if len(self.pipeline) >= _MOST_PIPELINED:
            self._fault = InvalidRequestError(f"Over {_MOST_PIPELINED} requests await answers: read those first.")
            raise self._fault
        super().on_headers_complete()
        self._body_arrives = True
        if self._door.closing:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Some of a body."""
        self._barren_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """A request is whole."""
        self._body_arrives = False
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """An answer was handed over."""
        self._answered_s = self.loop.time()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  uvicorn's words are not ours
        """Refuses what is no HTTP."""
        self._refuse(self._fault or InvalidRequestError("This is no HTTP/1.1 request: send one."))

    def shutdown(self) -> None:
        """The port has closed: the running request is answered, and one that is on its way when nothing runs."""
        if self._answering or not self._door.limits.parting_s:
            super().shutdown()
        elif self._end_at_s is None:
            self._end_at_s = self.loop.time() + self._door.limits.parting_s

    def review(self, now_s: float) -> None:
        """Ends the connection if its client keeps the server waiting for too long.

        Args:
            now_s: on the clock of the event loop.
        """
        limits = self._door.limits
        if self.transport.is_closing() or self.transport.get_write_buffer_size():
            self._unread_since_s = self._unread_since_s or now_s
            if now_s - self._unread_since_s > limits.unread_s:
                self._end("unread_answer")
                return
        else:
            self._unread_since_s = None
        if self._deaf or not self._answering:
            if self._end_at_s is not None and now_s > self._end_at_s:
                self._end()
            elif not self._deaf:
                self._review_reading(now_s, limits)

    @property
    def _answering(self) -> bool:
        return bool(self.cycle) and not self.cycle.response_complete  # None before the first request

    def _review_reading(self, now_s: float, limits: ConnectionLimits) -> None:
        if self._head_since_s is not None:
            if now_s - self._head_since_s > limits.headers_s:
                if self._barren_bytes:
                    seconds = f"{limits.headers_s:.0f} s"
                    self._refuse(SlowRequestError(f"The headers did not arrive within {seconds}: send them at once."))
                else:  # it never said anything, so it is not told anything
                    self.transport.close()
        elif now_s - self._answered_s > limits.keep_alive_s:
            if self._body_arrives:  # it has its answer, and still sends the request
                self._door.count("slow_request")
            self.transport.close()

    def _refuse(self, error: RequestError) -> None:
        """Answers with the error and ends the connection, once what was asked before is answered."""
        self._deaf = True
        self._door.count(error_row(type(error)).reason or "malformed")
        if self._answering and not self._body_arrives:
            self.cycle.keep_alive = False
            return
        answered = self._body_arrives and self.cycle.response_started
        if self._body_arrives:  # it is at fault, so who reads it is told that the client left
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if not answered:
            self.transport.write(_as_http(error))
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._end_at_s = self.loop.time() + _LINGER_S

    def _end(self, reason: str = "") -> None:
        """Ends the connection at once; what was not sent is lost."""
        if reason:
            self._door.count(reason)
        self.transport.abort()

    def _too_large(self) -> HeadersTooLargeError:
        return HeadersTooLargeError(
            f"Request line and headers are over {self._door.limits.max_header_bytes} bytes: send fewer or shorter ones."
        )


class _Backpressure(FlowControl):
    """Reads nothing more while whole requests wait for their turn.

    Then no request that runs can need it, and a client that sends without reading would only fill the memory.
    """

    def __init__(self, transport: asyncio.Transport, pipeline: deque[Any]) -> None:
        super().__init__(transport)
        self._pipeline = pipeline

    def resume_reading(self) -> None:
        """Reads on if nothing waits."""
        if not self._pipeline:
            super().resume_reading()


def _as_http(error: RequestError) -> bytes:
    """The whole answer, for a request that no application will see."""
    reply = error_reply(error)
    headers = (
        ("content-type", reply.content_type), ("content-length", str(len(reply.body))), ("connection", "close"),
        *reply.headers,
    )  # fmt: skip
    lines = [f"HTTP/1.1 {reply.status} {HTTPStatus(reply.status).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + reply.body
