"""A keep-alive connection that sends ready-made bytes: what a measurement needs of HTTP, and no more.

A client that shares its cores with the server takes from it what it uses itself. Against a general client this one
costs a small part for each request: docs/benchmarks.md has the figures.
"""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple, Self

import httptools

__all__ = ["Answer", "Connection"]


class Answer(NamedTuple):
    """What came back."""

    status: int
    body: bytes


class Connection(asyncio.Protocol):
    """One request at a time; answers whose end is the end of the connection are not understood."""

    def __init__(self) -> None:
        self._transport: Any = None
        self._parser: Any = httptools.HttpResponseParser(self)
        self._body = b""
        self._waiting: asyncio.Future[Answer] | None = None
        self.is_open = False

    @classmethod
    async def to(cls, host: str, port: int) -> Self:
        """Opens a connection.

        Raises:
            OSError: nobody listens, or no port is left.
        """
        _, connection = await asyncio.get_running_loop().create_connection(cls, host, port)
        return connection

    def send(self, message: bytes) -> asyncio.Future[Answer]:
        """Sends a request.

        Returns:
            The answer to come; ConnectionError where the connection ends first or speaks something else.
        """
        waiting = self._waiting = asyncio.get_running_loop().create_future()
        if self.is_open:
            self._transport.write(message)
        else:
            self._fail("The connection is closed.")
        return waiting

    def close(self) -> None:
        """Hangs up, whatever is under way."""
        self.is_open = False
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        self._transport = transport
        self.is_open = True

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(f"The answer is no HTTP: {error}")
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the event loop."""
        self.is_open = False
        self._fail(f"The connection ended before its answer: {exc}")

    def on_message_begin(self) -> None:
        """Called by the parser."""
        self._body = b""

    def on_body(self, body: bytes) -> None:
        """Called by the parser."""
        self._body = self._body + body if self._body else body

    def on_message_complete(self) -> None:
        """Called by the parser."""
        if not self._parser.should_keep_alive():
            self.is_open = False
            self._transport.close()
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.done():
            waiting.set_result(Answer(self._parser.get_status_code(), self._body))

    def _fail(self, reason: str) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.done():
            waiting.set_exception(ConnectionResetError(reason))
