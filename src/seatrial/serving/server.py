"""The process: its ports on one event loop, from the first probe to the last answer."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import uvicorn
import uvloop

from seatrial.bundle import Bundle
from seatrial.domain.errors import ConfigError
from seatrial.serving.app import create_app
from seatrial.serving.asgi import ASGIApp
from seatrial.serving.exchange import Lifecycle
from seatrial.serving.health import InternalApp
from seatrial.serving.plane import DataPlane

if TYPE_CHECKING:
    from seatrial.serving.grpc_server import GrpcServer

__all__ = ["Addresses", "Server", "serve"]

logger = logging.getLogger(__name__)

_BACKLOG = 2048
_LAST_WORDS_S = 2.0
"""For requests that were cut off at the end of the drain time to send their refusal."""
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  an address to translate, not to bind
"""What to call, on this machine, a server that listens on every address."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the data plane listens."""

    public_url: str
    internal_url: str
    grpc: str | None = None
    """``host:port``, None where gRPC is switched off."""


class Server:
    """A data plane on its two ports; they are open from construction on.

    Args:
        plane: not started yet; its settings name host, ports and drain time.
        bundles: what to load.
        on_ready: called once, when everything is loaded.

    Raises:
        ConfigError: an address cannot be listened on.
    """

    def __init__(
        self, plane: DataPlane, bundles: Sequence[Bundle], on_ready: Callable[[], None] = lambda: None
    ) -> None:
        settings = plane.settings
        self._plane = plane
        self._bundles = bundles
        self._on_ready = on_ready
        self._stopping = asyncio.Event()
        public = _listen(settings.host, settings.port, "port")
        try:
            internal = _listen(settings.host, settings.internal_port, "internal_port")
        except ConfigError:
            public.close()
            raise
        self._urls = (_url(public), _url(internal))
        lifecycle = Lifecycle(plane)
        self._grpc = _grpc_server(lifecycle) if settings.grpc else None
        self._public = _HttpServer(create_app(lifecycle, self._end_grpc), public, settings.drain_s)
        self._internal = _HttpServer(InternalApp(plane), internal, settings.drain_s)

    @property
    def addresses(self) -> Addresses:
        """Where it listens; gRPC is there once `open` has ended."""
        grpc = None
        if self._grpc is not None:
            host = urlsplit(self._urls[0]).netloc.rpartition(":")[0]
            grpc = f"{host}:{self._grpc.port}"
        return Addresses(*self._urls, grpc)

    async def open(self) -> None:
        """Opens the port of gRPC, which needs the event loop; the others are open already. Opening twice is allowed.

        Raises:
            ConfigError: it cannot be listened on; the other ports are closed then.
        """
        if self._grpc is None:
            return
        try:
            await self._grpc.start()
        except ConfigError:
            self._public.close()
            self._internal.close()
            raise

    async def run(self) -> None:
        """Answers probes at once, loads the bundles meanwhile, and serves until `stop`.

        Raises:
            SeatrialError: a bundle could not be loaded.
        """
        await self.open()
        started_s = time.monotonic()
        public = asyncio.create_task(self._public.answer())
        internal = asyncio.create_task(self._internal.answer())
        try:
            await asyncio.to_thread(self._plane.load, self._bundles)
            if not self._stopping.is_set():
                logger.info("ready", extra={"seconds": time.monotonic() - started_s})
                self._on_ready()
            await self._stopping.wait()
        finally:
            self._plane.begin_drain()
            ending_grpc = asyncio.create_task(self._end_grpc())
            self._public.should_exit = True
            await public
            await ending_grpc
            self._internal.should_exit = True  # last, so that probes and scrapes are answered while requests drain
            await internal
            logger.info("stopped")

    def stop(self) -> None:
        """Begins to drain: readiness is gone at once, running requests are answered. A second call cuts them off.

        To be called on the event loop.
        """
        if self._stopping.is_set():
            self._public.cut_off()
            if self._grpc is not None:
                self._grpc.cut_off()
        self._plane.begin_drain()
        self._stopping.set()

    async def _end_grpc(self) -> None:
        if self._grpc is not None:
            await self._grpc.stop(self._plane.settings.drain_s)


def serve(
    plane: DataPlane,
    bundles: Sequence[Bundle],
    *,
    announce: Callable[[Addresses], None],
    on_ready: Callable[[], None] = lambda: None,
) -> None:
    """Serves until SIGTERM or SIGINT, then finishes the running requests and returns.

    Args:
        announce: told the addresses as soon as they are open; loading begins then.
        on_ready: called when everything is loaded.

    Raises:
        ConfigError: an address cannot be listened on.
        SeatrialError: a bundle could not be loaded.
    """

    async def run() -> None:
        server = Server(plane, bundles, on_ready)
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, server.stop)
        await server.open()
        logger.info(
            "listening",
            extra={
                "public": server.addresses.public_url,
                "internal": server.addresses.internal_url,
                "grpc": server.addresses.grpc,
            },
        )
        announce(server.addresses)
        await server.run()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())


class _HttpServer(uvicorn.Server):
    """One port. Signals are `serve`'s business, since two of these share the process."""

    def __init__(self, app: ASGIApp, listener: socket.socket, drain_s: float) -> None:
        self._listener = listener
        config = uvicorn.Config(
            app,
            http="httptools",
            ws="none",
            log_config=None,
            log_level=logging.WARNING,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=math.ceil(drain_s),
        )
        super().__init__(config)

    async def answer(self) -> None:
        """Answers requests until `should_exit` is set and the running ones have ended or their time is over."""
        await self.serve(sockets=[self._listener])
        if self.server_state.tasks:
            await asyncio.wait(self.server_state.tasks, timeout=_LAST_WORDS_S)

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


def _grpc_server(lifecycle: Lifecycle) -> GrpcServer:
    from seatrial.serving.grpc_server import GrpcServer  # who switches it off need not load it

    return GrpcServer(lifecycle)


def _listen(host: str, port: int, setting: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise ConfigError(
            f"Cannot listen on {host}:{port} ({error.strerror}): end what uses it, or set serving.{setting} to another "
            "port, 0 for any that is free."
        ) from error


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    host = _ANYWHERE.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
