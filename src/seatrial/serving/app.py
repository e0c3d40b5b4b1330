"""The public application: FastAPI describes it, and answers everything but the predict paths itself."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from seatrial import __version__
from seatrial.serving.asgi import ASGIApp, Reply
from seatrial.serving.feedback import FeedbackDesk
from seatrial.serving.feedback_endpoint import FeedbackEndpoint, feedback_description
from seatrial.serving.health import health_reply, ready_reply
from seatrial.serving.http_errors import documented_rows, error_reply, method_reply, path_reply
from seatrial.serving.plane import DataPlane
from seatrial.serving.predict_endpoint import PredictEndpoint
from seatrial.serving.wire import ErrorBody, PredictRequest, PredictResponse, schema_of

__all__ = ["create_app"]

_NO_TELEMETRY: Any = {"tracing": False, "metrics": False, "logs": False, "operation_spans": False}


def create_app(plane: DataPlane, desk: FeedbackDesk | None = None) -> FastAPI:
    """The application of the public port; its lifespan starts and stops the plane, loading is the caller's.

    Args:
        desk: takes feedback; None: nobody does, and the path does not exist.
    """

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        plane.start()
        yield
        await plane.stop()

    app = FastAPI(
        title="Seatrial data plane",
        version=__version__,
        lifespan=lifespan,
        redirect_slashes=False,
        telemetry=_NO_TELEMETRY,
    )
    endpoint = PredictEndpoint(plane)
    # In front of the pages that FastAPI has added already: routes are tried in order.
    app.router.routes[:0] = [_PredictRoute(path, endpoint) for path in ("/predict", "/models/{model}/predict")]
    if desk is not None:
        app.router.routes[:0] = [_FeedbackRoute(FeedbackEndpoint(plane, desk))]
    app.add_api_route("/health", _replying(lambda: health_reply(plane)), summary="Whether the process lives.")
    app.add_api_route("/ready", _replying(lambda: ready_reply(plane)), summary="Whether to send requests here.")
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _unforeseen)
    return app


class _PredictRoute(APIRoute):
    """A route that FastAPI describes like any other and a raw ASGI application answers.

    FastAPI's own way of reading a body and checking a response costs several times what the rest of a request does.
    """

    def __init__(self, path: str, endpoint: ASGIApp) -> None:
        async def predict() -> None:
            """Labels and probabilities of texts."""

        super().__init__(
            path,
            predict,
            methods=["POST"],
            operation_id="predict_model" if "{" in path else "predict",
            summary="Labels and probabilities of texts.",
            description="Asks the model of that name." if "{" in path else "Asks the default model, or the only one.",
            responses={status: {"description": meaning} for status, meaning in documented_rows().items()},
            openapi_extra=_description(path),
        )
        self.app = endpoint


class _FeedbackRoute(APIRoute):
    """The route of /feedback, of the same kind."""

    def __init__(self, endpoint: ASGIApp) -> None:
        async def feedback() -> None:
            """What turned out about answers."""

        super().__init__(
            "/feedback",
            feedback,
            methods=["POST"],
            operation_id="feedback",
            summary="What turned out about answers.",
            description="True labels and figures, one or a list. Answered once they are on the disk.",
            openapi_extra=feedback_description(),
        )
        self.app = endpoint


def _description(path: str) -> dict[str, Any]:
    """Bodies, headers and path parameters of a predict path, for the API's description."""
    parameters: list[dict[str, Any]] = [
        {
            "name": "X-Request-Id",
            "in": "header",
            "description": "Comes back with the answer, and stands in logs and records.",
            "schema": {"type": "string", "maxLength": 128},
        }
    ]
    if "{" in path:
        parameters.append({"name": "model", "in": "path", "required": True, "schema": {"type": "string"}})
    failure = {"content": {"application/json": {"schema": schema_of(ErrorBody)}}}
    return {
        "parameters": parameters,
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema_of(PredictRequest)}}},
        "responses": {
            "200": {"content": {"application/json": {"schema": schema_of(PredictResponse)}}},
            **{str(status): failure for status in documented_rows()},
        },
    }


def _replying(make_reply: Callable[[], Reply]) -> Callable[[], Awaitable[Response]]:
    """A FastAPI endpoint that answers with what `make_reply` makes."""

    async def endpoint() -> Response:
        return _response(make_reply())

    return endpoint


def _response(reply: Reply) -> Response:
    return Response(reply.body, reply.status, dict(reply.headers), reply.content_type)


async def _http_error(request: Request, error: Exception) -> Response:
    """Starlette's own refusals: a path that does not exist, a method that is not taken."""
    allow = (getattr(error, "headers", None) or {}).get("Allow")
    return _response(method_reply(request.method, allow) if allow else path_reply(request.url.path))


async def _unforeseen(_request: Request, error: Exception) -> Response:
    return _response(error_reply(error))
