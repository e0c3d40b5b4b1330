"""The gRPC port: V2's service on the event loop of everything else. Imported only where it is switched on."""

from __future__ import annotations

import asyncio
import logging
import operator
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NoReturn, Protocol

import grpc
import grpc.aio
from google.protobuf import message_factory
from google.protobuf.message import Message

from seatrial.domain.errors import ConfigError, RequestError
from seatrial.domain.inference import Outcome
from seatrial.serving.api_keys import KeyRing
from seatrial.serving.exchange import Exchange, Lifecycle
from seatrial.serving.http_errors import error_row, error_sentence
from seatrial.serving.protocols import v2_grpc
from seatrial.serving.protocols.proto import inference_pb2 as pb
from seatrial.serving.protocols.v2_grpc import Describe
from seatrial.serving.tls import Certificate

__all__ = ["GrpcServer"]


logger = logging.getLogger(__name__)


class _Context(Protocol):
    """What is used of grpc.aio.ServicerContext."""

    def invocation_metadata(self) -> Sequence[tuple[str, str | bytes]] | None: ...

    def set_trailing_metadata(self, trailing_metadata: Sequence[tuple[str, str]]) -> None: ...

    def time_remaining(self) -> float | None: ...

    async def abort(self, code: Any, details: str, trailing_metadata: Sequence[tuple[str, str]]) -> NoReturn: ...


_PROBES = frozenset({"ServerLive", "ServerReady"})
"""What load balancers and kubelets ask, which have no keys."""
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104  an address to translate, not to bind
"""What to call, on this machine, a server that listens on every address."""
_Call = Callable[[Any, _Context], Awaitable[Message]]


class GrpcServer:
    """Answers `inference.GRPCInferenceService`.

    Args:
        lifecycle: of the requests, shared with the other protocols; its plane's settings name host, port and limits.
        keys: who may ask; None: everybody.
        certificate: to speak TLS with; None: plain text.
    """

    def __init__(self, lifecycle: Lifecycle, keys: KeyRing | None, certificate: Certificate | None) -> None:
        self._keys = keys
        self._certificate = certificate
        self._lifecycle = lifecycle
        self._server: grpc.aio.Server | None = None
        self._stopping: asyncio.Task[None] | None = None
        self._cutting_off: asyncio.Task[None] | None = None
        self.address: str | None = None
        """``host:port`` once it is open."""

    async def start(self) -> None:
        """Opens the port; `address` says where from then on. Starting twice is allowed.

        Raises:
            ConfigError: it cannot be listened on.
        """
        if self._server is not None:
            return
        settings = self._lifecycle.plane.settings
        server = grpc.aio.server(
            options=(
                ("grpc.max_receive_message_length", settings.max_body_bytes),
                ("grpc.max_send_message_length", -1),
                ("grpc.so_reuseport", 0),  # else a second process would share the port without a word
            )
        )
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(v2_grpc.SERVICE.full_name, self._calls()),)
        )
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        try:
            port = self._bind(server, f"{host}:{settings.grpc_port}")
        except RuntimeError as error:
            raise ConfigError(
                f"Cannot listen on {host}:{settings.grpc_port} for gRPC: end what uses it, set serving.grpc_port to "
                "another port (0 for any that is free), or serving.grpc to false."
            ) from error
        self._server = server
        self.address = f"{_ANYWHERE.get(host, host)}:{port}"
        await server.start()

    async def stop(self, within_s: float) -> None:
        """Takes no more calls, lets running ones end, and cancels those that take longer. Stopping twice is allowed."""
        if self._server is None:
            return
        if self._stopping is None:
            self._stopping = asyncio.get_running_loop().create_task(self._server.stop(within_s))
        await asyncio.shield(self._stopping)

    def cut_off(self) -> None:
        """Cancels the running calls of a server that is stopping already."""
        if self._server is not None:
            self._cutting_off = asyncio.get_running_loop().create_task(self._server.stop(0))

    def _bind(self, server: grpc.aio.Server, address: str) -> int:
        if self._certificate is None:
            return int(server.add_insecure_port(address))
        credentials = grpc.dynamic_ssl_server_credentials(self._tls_files(), self._tls_files)
        return int(server.add_secure_port(address, credentials))

    def _tls_files(self) -> grpc.ServerCertificateConfiguration:
        """The files as they are now, asked at each handshake: a renewed certificate is taken up by itself."""
        assert self._certificate is not None
        pair = (self._certificate.key.read_bytes(), self._certificate.cert.read_bytes())
        return grpc.ssl_server_certificate_configuration([pair])

    def _admit(self, metadata: Mapping[str, str]) -> None:
        """Refuses who has no key, as `key_checks` does over HTTP: without a record, with one count."""
        if self._keys is None:
            return
        try:
            self._keys.admit(metadata.get("authorization"), time.monotonic())
        except RequestError as error:
            self._lifecycle.plane.metrics.rejected(error_row(type(error)).reason)
            raise

    def _calls(self) -> dict[str, grpc.RpcMethodHandler[Any, Any]]:
        calls: dict[str, _Call] = {"ModelInfer": self._infer}
        for name, describe in v2_grpc.describing_calls(self._lifecycle).items():
            calls[name] = self._answering(describe, is_open=name in _PROBES)
        return {
            name: grpc.unary_unary_rpc_method_handler(
                call,
                message_factory.GetMessageClass(v2_grpc.SERVICE.methods_by_name[name].input_type).FromString,
                operator.methodcaller("SerializeToString"),
            )
            for name, call in calls.items()
        }

    async def _infer(self, request: pb.ModelInferRequest, context: _Context) -> Message:
        metadata = _metadata(context)
        try:
            self._admit(metadata)
        except RequestError as error:
            await _abort(context, error)
        exchange = Exchange.begin(
            request.model_name, request.model_version, metadata.get("x-request-id"), metadata.get("traceparent")
        )
        with self._lifecycle.following(exchange):
            try:
                response = await self._settle(exchange, request, context)
            except asyncio.CancelledError:  # the client left, or its deadline or the time to drain is over
                exchange.outcome = Outcome.EXPIRED if context.time_remaining() == 0 else Outcome.CANCELLED
                raise
            except Exception as error:  # noqa: BLE001  the outermost catch: `failed` logs what nobody foresaw
                self._lifecycle.failed(exchange, error)
                await _abort(context, error, *exchange.headers())
            exchange.outcome = Outcome.SUCCESS
            context.set_trailing_metadata(tuple(exchange.headers()))
            return response

    def _answering(self, describe: Describe, *, is_open: bool) -> _Call:
        """A call that only describes; it is no request for a prediction, so nothing is recorded."""

        async def call(request: Message, context: _Context) -> Message:
            try:
                if not is_open:
                    self._admit(_metadata(context))
                return describe(request)
            except RequestError as error:
                await _abort(context, error)
            except Exception as error:
                logger.exception("call failed")
                await _abort(context, error)

        return call

    async def _settle(self, exchange: Exchange, request: pb.ModelInferRequest, context: _Context) -> Message:
        self._lifecycle.pick(exchange)
        asked = v2_grpc.parse(request).within(context.time_remaining())
        served = await self._lifecycle.predict(exchange, asked)
        return v2_grpc.render(served, request)


def _metadata(context: _Context) -> dict[str, str]:
    return {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}


async def _abort(context: _Context, error: Exception, *headers: tuple[str, str]) -> NoReturn:
    """Ends a call with the status of its error; says when to come back in gRPC's own words.

    Source: gRPC proposal A6, "Pushback".
    """
    row = error_row(type(error))
    pushback_ms = str(round(getattr(error, "retry_after_s", 1.0) * 1000))
    pushback = (("grpc-retry-pushback-ms", pushback_ms),) if row.retry else ()
    await context.abort(getattr(grpc.StatusCode, row.code), error_sentence(error), (*headers, *pushback))
