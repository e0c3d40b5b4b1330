"""The life of a request, whatever protocol it speaks: picked, answered in time, and recorded once."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from seatrial.domain.assignment import Exposure
from seatrial.domain.errors import RequestError
from seatrial.domain.inference import Outcome, PredictionRecord, TokenBatch
from seatrial.domain.release_counters import ReleasePlace
from seatrial.serving.correlation import accept_request_id, accept_traceparent
from seatrial.serving.http_errors import error_row
from seatrial.serving.metrics import UNKNOWN
from seatrial.serving.plane import Answer, DataPlane, Question
from seatrial.serving.statistics import Statistics
from seatrial.serving.variants import Variant

__all__ = ["Asked", "Exchange", "Lifecycle", "Served"]

logger = logging.getLogger(__name__)

Form = TypeVar("Form")


@dataclass(frozen=True, slots=True)
class Asked(Generic[Form]):
    """What a protocol read from a request.

    Attributes:
        inputs: texts, or token ids with special tokens included.
        form: what the protocol needs to know again when it renders the answer.
        max_length: tokens each text is cut to; None: the setting.
        unit: user or session that the request belongs to.
        within_s: the client's own time limit, counted from the request's arrival; None: the setting.
    """

    inputs: Sequence[str] | TokenBatch
    form: Form
    max_length: int | None = None
    unit: str | None = None
    within_s: float | None = None

    def within(self, limit_s: float | None) -> Asked[Form]:
        """The same, in no more than `limit_s` seconds."""
        if limit_s is None or (self.within_s is not None and self.within_s <= limit_s):
            return self
        return replace(self, within_s=limit_s)


@dataclass(slots=True)
class Exchange:
    """The facts of one request, gathered while it is answered.

    Attributes:
        wanted_model: model that the request names, None where it names none.
        wanted_version: the same for the version.
        received_s: moment of arrival on the clock of `time.monotonic`.
    """

    wanted_model: str | None
    wanted_version: str | None
    request_id: str
    traceparent: str | None
    received_s: float = field(default_factory=time.monotonic)
    model: str = UNKNOWN
    version: str = UNKNOWN
    outcome: Outcome = Outcome.ERROR
    unit: str | None = None
    texts: int = 0
    place: ReleasePlace | None = None
    exposure: Exposure | None = None
    question: Question | None = None
    answer: Answer | None = None

    @classmethod
    def begin(cls, model: str | None, version: str | None, request_id: str | None, traceparent: str | None) -> Exchange:
        """The exchange of a request that has just arrived, with the ids as the client sent them."""
        return cls(model or None, version or None, accept_request_id(request_id), accept_traceparent(traceparent))

    def headers(self) -> list[tuple[str, str]]:
        """What every answer says about itself, in whatever protocol.

        Source: Server Timing (W3C) for ``server-timing``; durations in milliseconds.
        """
        total_ms = (time.monotonic() - self.received_s) * 1000
        answer = self.answer
        if answer is None:
            headers = [("x-request-id", self.request_id), ("server-timing", f"total;dur={total_ms:.2f}")]
        else:
            timing = (
                f"queue;dur={answer.queue_s * 1000:.2f}, infer;dur={answer.inference_s * 1000:.2f}, "
                f"total;dur={total_ms:.2f}"
            )
            headers = [("x-request-id", self.request_id), ("server-timing", timing)]
            if answer.clipped_to is not None:
                headers.append(("x-seatrial-max-length", str(answer.clipped_to)))
        if self.traceparent is not None:
            headers.append(("traceparent", self.traceparent))
        return headers

    def record(self, ended_s: float) -> PredictionRecord:
        """The facts as sinks get them."""
        answer = self.answer
        scores = answer.scores if answer else ()
        return PredictionRecord(
            self.request_id,
            self.model,
            self.version,
            self.outcome,
            ended_s - self.received_s,
            self.unit,
            self.texts,
            tokens=answer.tokens if answer else 0,
            queue_s=answer.queue_s if answer else 0.0,
            inference_s=answer.inference_s if answer else 0.0,
            labels=tuple([score.label for score in scores]),
            confidences=tuple([max(score.probabilities) for score in scores]),
            traceparent=self.traceparent,
            place=self.place,
            exposure=self.exposure,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Served(Generic[Form]):
    """What a protocol renders: the question as it read it, and the answer."""

    asked: Asked[Form]
    variant: Variant
    answer: Answer
    exchange: Exchange


class Lifecycle:
    """What happens to every request of a data plane; one for all protocols."""

    def __init__(self, plane: DataPlane) -> None:
        self.plane = plane
        self.statistics = Statistics()

    @contextlib.contextmanager
    def following(self, exchange: Exchange) -> Iterator[None]:
        """Counts the request while the block runs, and records it once at its end, whatever happened."""
        self.plane.metrics.arrived()
        try:
            yield
        finally:
            self.plane.metrics.answered()
            record = exchange.record(time.monotonic())
            self.statistics.record(record)
            self.plane.record(record, exchange.question)

    def pick(self, exchange: Exchange, unit: str | None = None) -> Variant:
        """The variant that answers.

        Asked before the body is read, so that a request to nowhere is refused at once, and again by `predict` when the
        request is whole: it may name a unit, and traffic may have been switched meanwhile.

        Raises:
            NotReadyError, ModelNotServedError, InvalidRequestError: see `DataPlane.pick`.
        """
        variant, exchange.place, exchange.exposure = self.plane.route(
            exchange.wanted_model, exchange.wanted_version, unit
        )
        exchange.model, exchange.version = variant.model, variant.version
        return variant

    async def predict(self, exchange: Exchange, asked: Asked[Form]) -> Served[Form]:
        """The answer of the variant that the request, which is whole now, belongs to.

        Raises:
            RequestError: see `DataPlane.pick` and `DataPlane.predict`.
        """
        exchange.unit, exchange.texts = asked.unit, len(asked.inputs)
        variant = self.pick(exchange, asked.unit)
        limit_s = self.plane.settings.deadline_s
        within_s = limit_s if asked.within_s is None else min(limit_s, asked.within_s)
        exchange.question = question = Question(asked.inputs, exchange.received_s + within_s, asked.max_length)
        exchange.answer = answer = await self.plane.predict(variant, question)
        return Served(asked, variant, answer, exchange)

    def failed(self, exchange: Exchange, error: Exception) -> None:
        """Takes down how the request ended, and logs what nobody foresaw."""
        if not isinstance(error, RequestError):
            facts = {"request_id": exchange.request_id, "traceparent": exchange.traceparent}
            logger.error("request failed", extra=facts, exc_info=error)
        row = error_row(type(error))
        exchange.outcome = row.outcome
        if row.reason:
            self.plane.metrics.rejected(row.reason)
