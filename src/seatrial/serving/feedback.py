"""What clients tell afterwards about answers they got: checked as far as memory goes, written down, counted once."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from seatrial.domain.errors import InvalidRequestError, JournalUnavailableError
from seatrial.domain.inference import MetricValue, Outcome, PredictionRecord, TrueLabel
from seatrial.serving.journal import Feedback, Journal
from seatrial.serving.metrics import MetricsSink

__all__ = ["FeedbackDesk", "Given", "RecentAnswers", "Taken"]

_MOST_ANSWERS = 16_384
_MOST_LABELS = 131_072
_MOST_KNOWN = 16_384
_DURABLE_WITHIN_S = 10.0


class Given(NamedTuple):
    """An answer that was given: by which variant, and the label of each text."""

    model: str
    version: str
    labels: tuple[str, ...]


class RecentAnswers:
    """Remembers the last answers, some 10 MB of them at most; a sink of the data plane's records."""

    def __init__(self, most_answers: int = _MOST_ANSWERS, most_labels: int = _MOST_LABELS) -> None:
        self._most_answers = most_answers
        self._most_labels = most_labels
        self._answers: OrderedDict[str, Given] = OrderedDict()
        self._labels = 0

    def record(self, record: PredictionRecord) -> None:
        """Remembers an answer; of two with one request id the later."""
        if record.outcome is not Outcome.SUCCESS:
            return
        replaced = self._answers.pop(record.request_id, None)
        if replaced:
            self._labels -= len(replaced.labels)
        self._answers[record.request_id] = Given(record.model, record.version, record.labels)
        self._labels += len(record.labels)
        while len(self._answers) > self._most_answers or self._labels > self._most_labels:
            _, forgotten = self._answers.popitem(last=False)
            self._labels -= len(forgotten.labels)

    def find(self, request_id: str) -> Given | None:
        """The answer to a request; None where it was forgotten, or given by another process."""
        return self._answers.get(request_id)


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of one request's feedback, all of which is durable.

    Attributes:
        accepted: items that were written down now.
        duplicates: true labels that were written down before.
    """

    accepted: int
    duplicates: int


@dataclass(frozen=True, slots=True)
class _Key:
    """What makes two true labels the same."""

    request_id: str
    index: int
    label: str


class _Judged(NamedTuple):
    """A true label with who had answered, and whether rightly, where that is known."""

    fact: TrueLabel
    correct: bool | None


class FeedbackDesk:
    """Takes feedback; belongs on the event loop.

    Args:
        journal: where feedback is written down.
        answers: what true labels are compared with; the data plane must tell it its records.
        metrics: counts true labels.
    """

    def __init__(self, journal: Journal, answers: RecentAnswers, metrics: MetricsSink) -> None:
        self.journal = journal
        self._answers = answers
        self._metrics = metrics
        # Of each true label taken lately, what its write came to or will come to.
        self._known: OrderedDict[_Key, asyncio.Future[None]] = OrderedDict()

    async def take(self, feedback: Sequence[Feedback], labels: Mapping[tuple[str, str], Sequence[str]]) -> Taken:
        """Returns once all of it is durable; of a true label that was sent twice only the first is written down.

        Args:
            labels: of each loaded model and version.

        Raises:
            InvalidRequestError: an item contradicts the answer it is about.
            JournalUnavailableError: it is not durable; none of it counts.
        """
        figures = [fact for fact in feedback if isinstance(fact, MetricValue)]
        judged = {
            _Key(fact.request_id, fact.index, fact.label): self._judge(fact, labels)
            for fact in feedback
            if isinstance(fact, TrueLabel)
        }
        earlier = [self._known[key] for key in judged if key in self._known]
        fresh = {key: one for key, one in judged.items() if key not in self._known}
        if fresh or figures:
            await self._write(fresh, figures)
        for written in earlier:  # the first of two that came together may still wait for the disk
            await asyncio.shield(written)
        accepted = len(fresh) + len(figures)
        return Taken(accepted, len(feedback) - accepted)

    async def _write(self, fresh: Mapping[_Key, _Judged], figures: Sequence[MetricValue]) -> None:
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._known.update(dict.fromkeys(fresh, written))
        try:
            await self.journal.append([*(one.fact for one in fresh.values()), *figures], _DURABLE_WITHIN_S)
        except BaseException:
            for key in fresh:
                self._known.pop(key, None)
            written.set_exception(JournalUnavailableError("The same feedback was not kept before: send it again."))
            written.exception()  # looked at: mostly nobody else waits for it
            raise
        written.set_result(None)
        for one in fresh.values():
            self._metrics.feedback(one.fact.model, one.fact.version, one.correct)
        while len(self._known) > _MOST_KNOWN:
            self._known.popitem(last=False)

    def _judge(self, fact: TrueLabel, labels: Mapping[tuple[str, str], Sequence[str]]) -> _Judged:
        given = self._answers.find(fact.request_id)
        if given is None:
            return _Judged(fact, None)
        if fact.index >= len(given.labels):
            raise InvalidRequestError(
                f"Request {fact.request_id} had {len(given.labels)} texts: {fact.index} is no index of one."
            )
        possible = labels.get((given.model, given.version), ())
        if possible and fact.label not in possible:
            raise InvalidRequestError(
                f"{fact.label!r} is no label of {given.model}@{given.version}: send one of {', '.join(possible)}."
            )
        known = replace(fact, model=given.model, version=given.version)
        return _Judged(known, given.labels[fact.index] == fact.label)
