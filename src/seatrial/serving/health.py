"""What probes and scrapers are told, on either port."""

from __future__ import annotations

from seatrial.domain.errors import NotReadyError
from seatrial.serving.asgi import Receive, Reply, Scope, Send, header, json_reply
from seatrial.serving.http_errors import error_reply, method_reply, path_reply
from seatrial.serving.plane import DataPlane

__all__ = ["InternalApp", "health_reply", "ready_reply"]


def health_reply(plane: DataPlane) -> Reply:
    """Liveness: the process answers. Healthy also while it loads or drains, so that nobody kills it for that."""
    return json_reply(200, {"status": "healthy", "model_loaded": bool(plane.variants)})


def ready_reply(plane: DataPlane) -> Reply:
    """Readiness: whether new requests should be sent here."""
    try:
        plane.require_ready()
    except NotReadyError as error:
        return error_reply(error)
    return json_reply(200, {"ready": True, "served": [variant.ref for variant in plane.variants]})


class InternalApp:
    """The application of the internal port: /metrics, /health and /ready."""

    def __init__(self, plane: DataPlane) -> None:
        self._plane = plane

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  ASGI's signature
        """Answers one request."""
        await self._reply(scope).send(send)

    def _reply(self, scope: Scope) -> Reply:
        if scope["path"] not in ("/metrics", "/health", "/ready"):
            return path_reply(scope["path"])
        if scope["method"] not in ("GET", "HEAD"):
            return method_reply(scope["method"], "GET")
        if scope["path"] == "/health":
            return health_reply(self._plane)
        if scope["path"] == "/ready":
            return ready_reply(self._plane)
        body, content_type = self._plane.metrics.exposition(header(scope, b"accept") or "")
        return Reply(200, body, content_type)
