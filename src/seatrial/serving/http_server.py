"""uvicorn on one listening socket, with connections that keep within limits."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import socket
import ssl
from collections.abc import Iterator

import uvicorn

from seatrial.serving.asgi import ASGIApp
from seatrial.serving.connection import Connection, Door
from seatrial.serving.listeners import BACKLOG

__all__ = ["HttpServer"]

_LAST_WORDS_S = 2.0
"""For requests that were cut off at the end of the drain time to send their refusal."""


class HttpServer(uvicorn.Server):
    """One port. Signals are the process's business, since two of these share it.

    Args:
        app: what answers.
        listener: open already.
        door: the limits of its connections.
        drain_s: longest wait for running requests.
        tls: the context to speak HTTPS with, None for plain HTTP.
    """

    def __init__(
        self, app: ASGIApp, listener: socket.socket, door: Door, drain_s: float, tls: ssl.SSLContext | None = None
    ) -> None:
        self._listener = listener
        self._door = door
        self._tls = tls
        config = uvicorn.Config(
            app,
            http=Connection,
            ws="none",
            log_config=None,
            log_level=logging.ERROR,  # what strangers send is counted, and must not fill the log
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=math.ceil(door.limits.keep_alive_s),
            timeout_graceful_shutdown=math.ceil(drain_s),
        )
        super().__init__(config)

    async def answer(self) -> None:
        """Answers requests until `should_exit` is set and the running ones have ended or their time is over."""
        review = asyncio.create_task(self._door.review(self.server_state.connections))
        try:
            await self.serve(sockets=[self._listener])
            if self.server_state.tasks:
                await asyncio.wait(self.server_state.tasks, timeout=_LAST_WORDS_S)
        finally:
            review.cancel()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002  uvicorn's signature
        """Begins to listen. uvicorn's own startup knows neither our door nor a limit on handshakes."""
        await self.lifespan.startup()
        if self.lifespan.should_exit:  # it has logged why
            raise SystemExit("The application did not start.")

        def connect() -> Connection:
            return Connection(self.config, self.server_state, self.lifespan.state, self._door)

        loop = asyncio.get_running_loop()
        create = loop.create_unix_server if self._listener.family == socket.AF_UNIX else loop.create_server
        handshake_s = self._door.limits.headers_s if self._tls else None
        self.servers = [
            await create(
                connect, sock=self._listener, ssl=self._tls, backlog=BACKLOG, ssl_handshake_timeout=handshake_s
            )
        ]
        self.started = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Closes the port and waits for what runs."""
        self._door.closing = True
        await super().shutdown(sockets)

    def close(self) -> None:
        """Closes the port of a server that will not answer."""
        self._listener.close()

    def cut_off(self) -> None:
        """Cancels the running requests, each of which then answers that the server shut down."""
        for task in self.server_state.tasks:
            task.cancel()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves signals alone."""
        yield
