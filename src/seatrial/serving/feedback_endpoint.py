"""POST /feedback, spoken in raw ASGI."""

from __future__ import annotations

from typing import Any

from seatrial.serving.asgi import Receive, Reply, Scope, Send, header, json_reply, read_body
from seatrial.serving.feedback import FeedbackDesk
from seatrial.serving.feedback_wire import FeedbackResponse, feedback_schema, parse_feedback
from seatrial.serving.http_errors import feedback_rows
from seatrial.serving.plane import DataPlane
from seatrial.serving.settling import settle
from seatrial.serving.wire import ErrorBody, check_media_type, schema_of

__all__ = ["FeedbackEndpoint", "feedback_description"]

_MOST_BODY_BYTES = 2**20


class FeedbackEndpoint:
    """Acknowledges feedback once it is durable, and in no other case."""

    def __init__(self, plane: DataPlane, desk: FeedbackDesk) -> None:
        self._plane = plane
        self._desk = desk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application of the path."""
        reply = await settle(self._answer(scope, receive))
        if reply is not None:
            await reply.send(send)

    async def _answer(self, scope: Scope, receive: Receive) -> Reply:
        settings = self._plane.settings
        check_media_type(header(scope, b"content-type"), header(scope, b"content-encoding"))
        most_bytes = min(settings.max_body_bytes, _MOST_BODY_BYTES)
        feedback = parse_feedback(await read_body(scope, receive, most_bytes, settings.deadline_s))
        labels = {(variant.model, variant.version): variant.labels for variant in self._plane.variants}
        taken = await self._desk.take(feedback, labels)
        return json_reply(200, FeedbackResponse(taken.accepted, taken.duplicates))


def feedback_description() -> dict[str, Any]:
    """Bodies of the path, for the API's description."""
    rows = feedback_rows()
    failure = {"application/json": {"schema": schema_of(ErrorBody)}}
    return {
        "requestBody": {"required": True, "content": {"application/json": {"schema": feedback_schema()}}},
        "responses": {
            "200": {
                "description": "All of it is on the disk.",
                "content": {"application/json": {"schema": schema_of(FeedbackResponse)}},
            },
            **{str(status): {"description": meaning, "content": failure} for status, meaning in rows.items()},
        },
    }
