"""Any protocol over HTTP, spoken in raw ASGI: what a request costs beside its engine is decided here."""

from __future__ import annotations

import asyncio
from typing import Generic, Protocol, TypeVar

from seatrial.domain.errors import NotReadyError
from seatrial.domain.inference import Outcome
from seatrial.serving.asgi import Receive, Reply, Scope, Send, header, read_body
from seatrial.serving.exchange import Asked, Exchange, Lifecycle, Served
from seatrial.serving.watch import ClientWatch, uncancel

__all__ = ["HttpEndpoint", "HttpProtocol"]

Form = TypeVar("Form")


class HttpProtocol(Protocol[Form]):
    """How one protocol writes its requests and answers; everything else is `HttpEndpoint`'s."""

    def parse(self, scope: Scope, body: bytes) -> Asked[Form]:
        """Reads a request.

        Raises:
            RequestError: it is none.
        """
        ...

    def render(self, served: Served[Form]) -> Reply:
        """Writes an answer.

        Raises:
            RequestError: the request asks for an answer in a form that does not exist.
        """
        ...

    def refuse(self, error: Exception) -> Reply:
        """Writes an error."""
        ...


class HttpEndpoint(Generic[Form]):
    """Answers one request and records it once, whatever happens to it."""

    def __init__(self, lifecycle: Lifecycle, protocol: HttpProtocol[Form]) -> None:
        self._lifecycle = lifecycle
        self._protocol = protocol

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application; ``path_params`` may hold names of a model and a version."""
        named = scope.get("path_params", {})
        exchange = Exchange.begin(
            named.get("model"), named.get("version"), header(scope, b"x-request-id"), header(scope, b"traceparent")
        )
        with self._lifecycle.following(exchange):
            reply = await self._settle(exchange, scope, receive)
            if reply is not None:
                await reply.send(send, *exchange.headers())

    async def _settle(self, exchange: Exchange, scope: Scope, receive: Receive) -> Reply | None:
        """The reply of any request; None where nobody is left to read it."""
        try:
            reply = await self._answer(exchange, scope, receive)
        except ConnectionAbortedError:
            exchange.outcome = Outcome.CANCELLED
            return None
        except asyncio.CancelledError:  # the server's time to drain is over: say so instead of falling silent
            uncancel()
            error: Exception = NotReadyError("The server shut down before it could answer: retry on another one.")
        except Exception as failure:  # noqa: BLE001  the outermost catch: `failed` logs what nobody foresaw
            error = failure
        else:
            exchange.outcome = Outcome.SUCCESS
            return reply
        self._lifecycle.failed(exchange, error)
        return self._protocol.refuse(error)

    async def _answer(self, exchange: Exchange, scope: Scope, receive: Receive) -> Reply:
        settings = self._lifecycle.plane.settings
        self._lifecycle.pick(exchange)
        body = await read_body(scope, receive, settings.max_body_bytes, settings.deadline_s)
        asked = self._protocol.parse(scope, body)
        with ClientWatch(receive):
            served = await self._lifecycle.predict(exchange, asked)
        return self._protocol.render(served)
