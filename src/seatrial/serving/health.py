"""What probes and scrapers are told, on either port."""

from __future__ import annotations

from seatrial.domain.errors import NotReadyError
from seatrial.serving.asgi import Reply, json_reply
from seatrial.serving.http_errors import error_reply
from seatrial.serving.plane import DataPlane

__all__ = ["health_reply", "ready_reply"]


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
