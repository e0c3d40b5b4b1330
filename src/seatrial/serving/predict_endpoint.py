"""POST /predict, spoken in raw ASGI: what a request costs beside its engine is decided here."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import msgspec

from seatrial.domain.errors import NotReadyError, RequestError
from seatrial.domain.inference import Outcome, PredictionRecord
from seatrial.domain.release_counters import ReleasePlace
from seatrial.serving.asgi import Receive, Reply, Scope, Send, header, read_body
from seatrial.serving.http_errors import error_reply, error_row
from seatrial.serving.metrics import UNKNOWN
from seatrial.serving.plane import Answer, DataPlane, Question
from seatrial.serving.wire import PredictResponse, check_media_type, parse_request

__all__ = ["PredictEndpoint"]

logger = logging.getLogger(__name__)

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")


@dataclass(slots=True)
class _Exchange:
    """The facts of one request, gathered while it is answered."""

    request_id: str
    received_s: float
    model: str = UNKNOWN
    version: str = UNKNOWN
    outcome: Outcome = Outcome.ERROR
    unit: str | None = None
    texts: int = 0
    place: ReleasePlace | None = None
    question: Question | None = None
    answer: Answer | None = None

    def record(self, ended_s: float) -> PredictionRecord:
        """The facts as sinks get them."""
        record = PredictionRecord(
            self.request_id,
            self.model,
            self.version,
            self.outcome,
            ended_s - self.received_s,
            self.unit,
            self.texts,
            place=self.place,
        )
        if self.answer is None:
            return record
        return replace(
            record,
            tokens=self.answer.tokens,
            queue_s=self.answer.queue_s,
            inference_s=self.answer.inference_s,
            labels=tuple(score.label for score in self.answer.scores),
            confidences=tuple(max(score.probabilities) for score in self.answer.scores),
        )


class PredictEndpoint:
    """Answers one request and records it once, whatever happens to it."""

    def __init__(self, plane: DataPlane) -> None:
        self._plane = plane

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application of the two predict paths; ``path_params`` may hold the model's name."""
        exchange = _Exchange(_request_id(scope), time.monotonic())
        self._plane.metrics.in_flight.inc()
        try:
            reply = await self._settle(exchange, scope, receive)
            if reply is not None:
                await reply.send(send, ("x-request-id", exchange.request_id))
        finally:
            self._plane.metrics.in_flight.dec()
            self._plane.record(exchange.record(time.monotonic()), exchange.question)

    async def _settle(self, exchange: _Exchange, scope: Scope, receive: Receive) -> Reply | None:
        """The reply of any request; None where nobody is left to read it."""
        try:
            reply = await self._answer(exchange, scope, receive)
        except ConnectionAbortedError:
            exchange.outcome = Outcome.CANCELLED
            return None
        except asyncio.CancelledError:  # the server's time to drain is over: say so instead of falling silent
            _uncancel()
            error: Exception = NotReadyError("The server shut down before it could answer: retry on another one.")
        except RequestError as foreseen:
            error = foreseen
        except Exception as unforeseen:
            logger.exception("request failed", extra={"request_id": exchange.request_id})
            error = unforeseen
        else:
            exchange.outcome = Outcome.SUCCESS
            return reply
        row = error_row(type(error))
        exchange.outcome = row.outcome
        if row.reason:
            self._plane.metrics.rejected(row.reason)
        return error_reply(error)

    async def _answer(self, exchange: _Exchange, scope: Scope, receive: Receive) -> Reply:
        settings = self._plane.settings
        variant = self._plane.pick(scope.get("path_params", {}).get("model"))
        exchange.model, exchange.version = variant.model, variant.version
        check_media_type(header(scope, b"content-type"), header(scope, b"content-encoding"))
        request = parse_request(await read_body(scope, receive, settings.max_body_bytes, settings.deadline_s))
        exchange.unit, exchange.texts = request.unit, len(request.texts)
        # Again: it may name a unit, and while the body came, traffic may have been switched.
        variant, exchange.place = self._plane.route(variant.model, unit=request.unit)
        exchange.version = variant.version
        exchange.question = question = Question(
            request.texts, exchange.received_s + settings.deadline_s, request.max_length
        )
        async with _while_connected(receive):
            answer = exchange.answer = await self._plane.predict(variant, question)
        response = PredictResponse(
            predictions=[score.label for score in answer.scores],
            probabilities=[score.probabilities for score in answer.scores],
            labels=list(variant.labels),
            latency_ms=round((time.monotonic() - exchange.received_s) * 1000, 3),
            model=variant.model,
            version=variant.version,
            request_id=exchange.request_id,
        )
        clipped = () if answer.clipped_to is None else (("x-seatrial-max-length", str(answer.clipped_to)),)
        return Reply(200, msgspec.json.encode(response), headers=clipped)


def _request_id(scope: Scope) -> str:
    """The client's X-Request-Id if it is short and plain, else a new one: it goes into logs and headers."""
    given = header(scope, b"x-request-id")
    return given if given and _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex


@contextlib.asynccontextmanager
async def _while_connected(receive: Receive) -> AsyncIterator[None]:
    """Ends its body with ConnectionAbortedError as soon as the client leaves."""
    task = asyncio.current_task()
    left = False

    async def watch() -> None:
        nonlocal left
        while (await receive())["type"] != "http.disconnect":
            pass
        left = True
        if task is not None:
            task.cancel()

    watcher = asyncio.get_running_loop().create_task(watch())
    try:
        yield
    except asyncio.CancelledError:
        if not left:
            raise
        _uncancel()
        raise ConnectionAbortedError("The client left before the answer.") from None
    finally:
        watcher.cancel()


def _uncancel() -> None:
    """Takes back the cancellation of the running task, which has been dealt with."""
    task = asyncio.current_task()
    if task is not None:
        task.uncancel()
