"""The process: its ports on one event loop, from the first probe to the last answer."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop

from seatrial.bundle import Bundle
from seatrial.config import ServingSettings
from seatrial.domain.errors import ConfigError
from seatrial.serving.api_keys import KeyRing
from seatrial.serving.app import create_app
from seatrial.serving.coded_bodies import CodedBodies
from seatrial.serving.connection import ConnectionLimits, Door
from seatrial.serving.exchange import Lifecycle
from seatrial.serving.feedback import FeedbackDesk
from seatrial.serving.hot_paths import HotPaths
from seatrial.serving.http_server import HttpServer
from seatrial.serving.internal import InternalApp
from seatrial.serving.key_checks import AdminCheck, KeyCheck
from seatrial.serving.listeners import allow_connections, listen_on_path, listen_on_port, remove_socket, url_of
from seatrial.serving.plane import DataPlane
from seatrial.serving.protocols.v2_repository import RepositoryApp
from seatrial.serving.rereading import follow
from seatrial.serving.tls import Certificate

if TYPE_CHECKING:
    from seatrial.serving.grpc_server import GrpcServer

__all__ = ["Addresses", "Server", "serve"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the data plane listens.

    Attributes:
        public_url: ``http://…``, ``https://…``, or ``unix:<path>`` for a Unix domain socket.
        grpc: ``host:port``, None where gRPC is switched off.
    """

    public_url: str
    internal_url: str
    grpc: str | None = None


class Server:
    """A data plane on its ports: those of HTTP are open from construction on, that of gRPC from `open` on.

    Args:
        plane: not started yet; its settings name host, ports and drain time.
        bundles: what to load.
        on_ready: called once, when everything is loaded.
        desk: takes feedback, and knows the journal; None: there is neither.

    Raises:
        ConfigError: an address cannot be listened on, or keys or certificate cannot be used.
    """

    def __init__(
        self,
        plane: DataPlane,
        bundles: Sequence[Bundle],
        on_ready: Callable[[], None] = lambda: None,
        desk: FeedbackDesk | None = None,
    ) -> None:
        settings = plane.settings
        self._plane = plane
        self._bundles = bundles
        self._on_ready = on_ready
        self._stopping = asyncio.Event()
        self._hurried = asyncio.Event()
        keys = KeyRing(Path(settings.api_keys_file)) if settings.api_keys_file else None
        tokens = KeyRing(Path(settings.admin_token_file)) if settings.admin_token_file else None
        certificate = _certificate(settings)
        self._followed = [source for source in (keys, tokens, certificate) if source is not None]
        public, internal = _listen(settings)
        tls = None if certificate is None else certificate.context
        self._addresses = Addresses(url_of(public, tls=tls is not None), url_of(internal))
        lifecycle = Lifecycle(plane)
        self._grpc = _grpc_server(lifecycle, keys, certificate) if settings.grpc else None
        self._door = Door(_limits(settings), plane.metrics.rejected)
        described = create_app(lifecycle, desk, self._end_grpc)
        app = CodedBodies(HotPaths(described, described.router.routes), settings.max_body_bytes)
        self._public = HttpServer(
            KeyCheck(app, keys, plane.metrics.rejected), public, self._door, settings.drain_s, tls
        )
        mounts = {"/v2/": RepositoryApp(lifecycle)}
        internal_app = InternalApp(plane, desk.journal.reader if desk else None, mounts)
        self._internal = HttpServer(
            AdminCheck(internal_app, tokens, plane.metrics.rejected),
            internal,
            Door(replace(_limits(settings), parting_s=0.0), plane.metrics.rejected),
            settings.drain_s,
        )

    @property
    def addresses(self) -> Addresses:
        """Where it listens."""
        return replace(self._addresses, grpc=self._grpc.address if self._grpc else None)

    async def open(self) -> None:
        """Opens the port of gRPC, which needs the event loop. Opening twice is allowed.

        Raises:
            ConfigError: it cannot be listened on; the other ports are closed then.
        """
        try:
            if self._grpc is not None:
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
        following = asyncio.create_task(follow(self._followed))
        try:
            await asyncio.to_thread(self._plane.load, self._bundles)
            if not self._stopping.is_set():
                logger.info("ready", extra={"seconds": time.monotonic() - started_s})
                self._on_ready()
            await self._stopping.wait()
            with contextlib.suppress(TimeoutError):  # load balancers still send requests here, which are answered
                await asyncio.wait_for(self._hurried.wait(), self._plane.settings.drain_delay_s)
        finally:
            following.cancel()
            self._plane.begin_drain()
            ending_grpc = asyncio.create_task(self._end_grpc())
            self._public.should_exit = True
            await public
            await ending_grpc
            self._internal.should_exit = True  # last, so that probes and scrapes are answered while requests drain
            await internal
            if self._plane.settings.uds:
                remove_socket(Path(self._plane.settings.uds))
            logger.info("stopped")

    def stop(self) -> None:
        """Begins to drain: readiness is gone at once, requests are answered. A second call cuts them off.

        To be called on the event loop.
        """
        if self._stopping.is_set():
            self._hurried.set()
            self._public.cut_off()
            if self._grpc is not None:
                self._grpc.cut_off()
        self._plane.begin_drain()
        self._door.closing = True
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
    desk: FeedbackDesk | None = None,
) -> None:
    """Serves until SIGTERM or SIGINT, then finishes the running requests and returns.

    Args:
        announce: told the addresses as soon as they are open; loading begins then.
        on_ready: called when everything is loaded.
        desk: see `Server`.

    Raises:
        ConfigError: an address cannot be listened on.
        SeatrialError: a bundle could not be loaded.
    """

    allow_connections(plane.settings.max_connections)

    def ready() -> None:
        # What is loaded stays: looking through it for garbage, once in some thousand requests, holds up the event loop
        # and every worker for longer than most requests take.
        gc.freeze()
        on_ready()

    async def run() -> None:
        server = Server(plane, bundles, ready, desk)
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, server.stop)
        await server.open()
        logger.info(
            "listening",
            extra=asdict(server.addresses),
        )
        announce(server.addresses)
        await server.run()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())


def _listen(settings: ServingSettings) -> tuple[socket.socket, socket.socket]:
    """The public and the internal listener, both or none."""
    if settings.uds:
        public = listen_on_path(Path(settings.uds))
    else:
        public = listen_on_port(settings.host, settings.port, "port")
    try:
        return public, listen_on_port(settings.host, settings.internal_port, "internal_port")
    except ConfigError:
        public.close()
        if settings.uds:
            remove_socket(Path(settings.uds))
        raise


def _grpc_server(lifecycle: Lifecycle, keys: KeyRing | None, certificate: Certificate | None) -> GrpcServer:
    from seatrial.serving.grpc_server import GrpcServer  # who switches it off need not load it

    return GrpcServer(lifecycle, keys, certificate)


def _certificate(settings: ServingSettings) -> Certificate | None:
    if bool(settings.tls_cert_file) != bool(settings.tls_key_file):
        raise ConfigError("serving.tls_cert_file and serving.tls_key_file belong together: set both, or none.")
    return Certificate(Path(settings.tls_cert_file), Path(settings.tls_key_file)) if settings.tls_cert_file else None


def _limits(settings: ServingSettings) -> ConnectionLimits:
    return ConnectionLimits(
        settings.max_header_bytes,
        settings.max_connections,
        settings.headers_s,
        settings.keep_alive_s,
        settings.unread_s,
    )
