"""Which requests are mirrored, how they end, and that nobody waits for them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import numpy as np
import pytest

from seatrial.domain.errors import DeadlineExceededError, InferenceError
from seatrial.domain.inference import Outcome, PredictionRecord
from seatrial.domain.release_counters import Arm, ReleasePlace
from seatrial.serving.mirror import Mirror
from seatrial.serving.questions import Answer, Question
from seatrial.serving.split_orders import ReleaseContext, SplitOrder
from seatrial.serving.tallies import Tallies
from seatrial.serving.variants import TextScore
from tests.splits import order

QUESTION = Question(["good film"], 1.0)


def answer(*labels: str) -> Answer:
    scores = [TextScore(label, [0.5, 0.5]) for label in labels]
    return Answer(np.zeros((len(labels), 2), np.float32), scores, 3, None, 0.0, 0.0)


def record(unit: str | None = "ann", outcome: Outcome = Outcome.SUCCESS, **place: Any) -> PredictionRecord:
    at = ReleasePlace(**{"release": "r-1", "arm": Arm.CHAMPION, "step": 0, **place})
    return PredictionRecord("q", "tiny", "1", outcome, 0.1, unit, 1, labels=("positive",), place=at)


class Shadowing:
    """The part of `Traffic` that a mirror asks."""

    def __init__(self, mirror_percent: float) -> None:
        release = msgspec.convert(order(50, mirror_percent=mirror_percent), SplitOrder).release
        assert release is not None
        self.release: ReleaseContext | None = release

    def shadowing(self, model: str) -> ReleaseContext | None:
        return self.release if model == "tiny" else None


class House:
    """A mirror with what it talks to."""

    def __init__(self, predict: Callable[[], Awaitable[Answer]], percent: float = 100.0, drawn: float = 0.5) -> None:
        self.ended: Counter[str] = Counter()
        self.asked: list[tuple[str, str, Question]] = []
        self.traffic = Shadowing(percent)
        self.tallies = Tallies()
        assert self.traffic.release is not None
        self.tallies.enter("tiny", self.traffic.release)

        async def ask(model: str, version: str, question: Question) -> Answer:
            self.asked.append((model, version, question))
            return await predict()

        self.mirror = Mirror(self.traffic, self.tallies, ask, lambda end: self.ended.update([end]), lambda: drawn)

    def offer(self, *records: PredictionRecord) -> None:
        """Offers all, and lets the mirror work until nothing waits."""

        async def scenario() -> None:
            for one in records:
                self.mirror.offer(one, QUESTION)
            work = asyncio.create_task(self.mirror.run())
            for _ in range(20):
                await asyncio.sleep(0)
            work.cancel()

        asyncio.run(scenario())

    @property
    def pairs(self) -> tuple[int, int]:
        step = self.tallies.counters("r-1").steps[0]
        return step.mirrored, step.disagreements


async def same() -> Answer:
    return answer("positive")


def test_the_challenger_is_asked_the_same_with_the_lowest_priority() -> None:
    house = House(same)
    house.offer(record())
    model, version, question = house.asked[0]
    assert (model, version, question.inputs) == ("tiny", "2", QUESTION.inputs)
    assert question.priority > 0
    assert (house.ended, house.pairs) == ({"agreed": 1}, (1, 0))


@pytest.mark.parametrize(
    ("end", "outcome", "pairs"),
    [
        (answer("negative"), "disagreed", (1, 1)),
        (answer(), "disagreed", (1, 1)),
        (InferenceError("It failed."), "failed", (1, 1)),
        (ZeroDivisionError(), "failed", (1, 1)),
        (DeadlineExceededError("No engine was free."), "dropped", (0, 0)),
    ],
)
def test_how_a_pair_ends(end: Answer | Exception, outcome: str, pairs: tuple[int, int]) -> None:
    async def predict() -> Answer:
        if isinstance(end, Exception):
            raise end
        return end

    house = House(predict)
    house.offer(record())
    assert (house.ended, house.pairs) == ({outcome: 1}, pairs)


def test_a_unit_is_compared_once() -> None:
    house = House(same)
    house.offer(record("ann"), record("ann"), record("bob"), record(None), record(None))
    assert (house.ended["agreed"], house.pairs) == (5, (4, 0))


@pytest.mark.parametrize(
    "other",
    [
        record(outcome=Outcome.ERROR),
        record(arm=Arm.CHALLENGER),
        record(release="r-0"),
        PredictionRecord("q", "tiny", "1", Outcome.SUCCESS, 0.1),
    ],
)
def test_only_what_the_champion_answered_in_this_release_is_mirrored(other: PredictionRecord) -> None:
    house = House(same)
    house.offer(other)
    house.mirror.offer(record(), None)
    assert not house.asked


@pytest.mark.parametrize(("drawn", "mirrored"), [(0.099, 1), (0.1, 0)])
def test_a_share_of_the_requests_is_mirrored(drawn: float, mirrored: int) -> None:
    house = House(same, percent=10.0, drawn=drawn)
    house.offer(record())
    assert len(house.asked) == mirrored


def test_what_finds_no_room_is_dropped_at_once() -> None:
    house = House(same)
    for _ in range(70):
        house.mirror.offer(record(), QUESTION)
    assert house.ended == {"dropped": 6}
