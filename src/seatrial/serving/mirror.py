"""Shadow: some requests that the champion answered go to the challenger too, whose answers nobody but us sees."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol

from seatrial.domain.errors import InferenceError, RequestError
from seatrial.domain.inference import Outcome, PredictionRecord
from seatrial.domain.release_counters import Arm, ReleasePlace
from seatrial.domain.release_plan import FULL_PERCENT
from seatrial.serving.questions import Answer, Question
from seatrial.serving.split_orders import ReleaseContext
from seatrial.serving.tallies import Tallies

__all__ = ["Mirror", "Shadowing"]

logger = logging.getLogger(__name__)

_LOW = 1
"""Priority: texts of requests are served first, always."""
_MOST_WAITING = 64
_WITHIN_S = 10.0


class Shadowing(Protocol):
    """Who knows what is mirrored: `Traffic`."""

    def shadowing(self, model: str) -> ReleaseContext | None:
        """The release of a model whose challenger answers mirrored requests now."""
        ...


class _Mirrored(NamedTuple):
    """A request of the champion, and what it was answered."""

    question: Question
    record: PredictionRecord
    place: ReleasePlace
    challenger: str


class Mirror:
    """Scores requests a second time, one after the other, whenever engines have nothing else to do.

    It takes a request once its answer has been handed over. What finds no room among those that wait, or no engine
    within seconds, is dropped and counted: a busy server compares less, and answers as it always does.

    Args:
        traffic: knows which release mirrors.
        tallies: told about each pair of answers.
        predict: asks one version, by model and version.
        observe: told how each mirrored request ended.
        draw: a number from 0 to 1, for each request anew.
    """

    def __init__(
        self,
        traffic: Shadowing,
        tallies: Tallies,
        predict: Callable[[str, str, Question], Awaitable[Answer]],
        observe: Callable[[str], None],
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._traffic = traffic
        self._tallies = tallies
        self._predict = predict
        self._observe = observe
        self._draw = draw
        self._waiting: deque[_Mirrored] = deque()
        self._wake = asyncio.Event()

    def offer(self, record: PredictionRecord, question: Question | None) -> None:
        """Takes a finished request, if it is one of those that are mirrored."""
        place = record.place
        if place is None or question is None or place.arm is not Arm.CHAMPION or record.outcome is not Outcome.SUCCESS:
            return
        release = self._traffic.shadowing(record.model)
        if release is None or not self._chosen(release, place):
            return
        if len(self._waiting) >= _MOST_WAITING:
            self._observe("dropped")
            return
        self._waiting.append(_Mirrored(question, record, place, str(release.challenger)))
        self._wake.set()

    async def run(self) -> None:
        """Scores what was taken, until it is cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                outcome = await self._compare(self._waiting.popleft())
                self._observe(outcome)

    def _chosen(self, release: ReleaseContext, place: ReleasePlace) -> bool:
        return release.id == place.release and self._draw() * FULL_PERCENT < release.mirror_percent

    async def _compare(self, mirrored: _Mirrored) -> str:
        """How it ended: ``agreed``, ``disagreed``, ``failed`` or ``dropped``."""
        record, asked = mirrored.record, mirrored.question
        question = Question(asked.inputs, time.monotonic() + _WITHIN_S, asked.max_length, _LOW)
        try:
            answer = await self._predict(record.model, mirrored.challenger, question)
        except InferenceError:
            outcome = "failed"  # no answer is another answer than the champion's
        except RequestError:
            return "dropped"
        except Exception:
            logger.exception("mirrored request failed")
            outcome = "failed"
        else:
            same = tuple(score.label for score in answer.scores) == record.labels
            outcome = "agreed" if same else "disagreed"
        self._tallies.record_mirrored(mirrored.place, record.unit, disagreed=outcome != "agreed")
        return outcome
