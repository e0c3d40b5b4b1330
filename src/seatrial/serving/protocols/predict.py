"""POST /predict: Seatrial's own protocol, texts in, labels and probabilities out."""

from __future__ import annotations

import time

import msgspec

from seatrial.serving.asgi import Reply, Scope, header
from seatrial.serving.exchange import Asked, Served
from seatrial.serving.http_errors import error_reply
from seatrial.serving.wire import PredictResponse, check_media_type, parse_request

__all__ = ["PredictProtocol"]


class PredictProtocol:
    """Reads and writes the bodies that `serving.wire` defines."""

    def parse(self, scope: Scope, body: bytes) -> Asked[None]:
        """Reads a request.

        Raises:
            InvalidRequestError: it is none.
        """
        check_media_type(header(scope, b"content-type"), header(scope, b"content-encoding"))
        request = parse_request(body)
        return Asked(request.texts, None, request.max_length, request.unit)

    def render(self, served: Served[None]) -> Reply:
        """Writes an answer."""
        exchange, scores = served.exchange, served.answer.scores
        response = PredictResponse(
            predictions=[score.label for score in scores],
            probabilities=[score.probabilities for score in scores],
            labels=list(served.variant.labels),
            latency_ms=round((time.monotonic() - exchange.received_s) * 1000, 3),
            model=served.variant.model,
            version=served.variant.version,
            request_id=exchange.request_id,
        )
        return Reply(200, msgspec.json.encode(response))

    def refuse(self, error: Exception) -> Reply:
        """Writes an error."""
        return error_reply(error)
