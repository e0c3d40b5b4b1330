"""The public application: FastAPI describes it and finds the route, raw ASGI applications answer."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from seatrial import __version__
from seatrial.serving.asgi import Reply
from seatrial.serving.exchange import Lifecycle
from seatrial.serving.feedback import FeedbackDesk
from seatrial.serving.http_errors import error_reply, method_reply, path_reply
from seatrial.serving.public_routes import public_routes

__all__ = ["create_app"]

_NO_TELEMETRY: Any = {"tracing": False, "metrics": False, "logs": False, "operation_spans": False}


async def _at_once() -> None:
    """Nothing else takes requests."""


def create_app(
    lifecycle: Lifecycle,
    desk: FeedbackDesk | None = None,
    others_drained: Callable[[], Awaitable[None]] = _at_once,
) -> FastAPI:
    """The application of the public port; its lifespan starts and stops the plane, loading is the caller's.

    Args:
        lifecycle: of the requests to the plane.
        desk: takes feedback; None: nobody does, and the path does not exist.
        others_drained: waits until other ports have answered their requests: only then may the plane stop.
    """
    plane = lifecycle.plane

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        plane.start()
        yield
        await others_drained()
        await plane.stop()

    app = FastAPI(
        title="Seatrial data plane",
        version=__version__,
        lifespan=lifespan,
        redirect_slashes=False,
        telemetry=_NO_TELEMETRY,
    )
    # In front of the pages that FastAPI has added already: routes are tried in order.
    app.router.routes[:0] = public_routes(lifecycle, desk)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _unforeseen)
    return app


def _response(reply: Reply) -> Response:
    return Response(reply.body, reply.status, dict(reply.headers), reply.content_type)


async def _http_error(request: Request, error: Exception) -> Response:
    """Starlette's own refusals: a path that does not exist, a method that is not taken."""
    allow = (getattr(error, "headers", None) or {}).get("Allow")
    return _response(method_reply(request.method, allow) if allow else path_reply(request.url.path))


async def _unforeseen(_request: Request, error: Exception) -> Response:
    return _response(error_reply(error))
