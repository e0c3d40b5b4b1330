"""Exposures and outcomes, in whatever order they are read, become sums of units.

A unit belongs to the arm and epoch of its first exposure. Its outcomes count from then until its outcome window ends;
only then the unit enters the sums, with all it did, however early it could have been counted: otherwise quick outcomes
would weigh more while an arm grows.

Source: M. Lindon and N. Kallus, arXiv 2603.25971 (2026), on why a difference of means misleads under staggered entry.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from seatrial.domain.experiment import Epoch, ExperimentPlan, Metric, MetricKind, Side
from seatrial.experiments.observations import ArmObservations, EpochObservations, Ignored, Observations
from seatrial.stats.confidence_sequence import Sums

__all__ = ["FigureSent", "Joiner", "UnitExposed"]


class UnitExposed(NamedTuple):
    """A unit was answered by the version of its arm."""

    at_s: float
    unit: str
    side: Side
    epoch: int


class FigureSent(NamedTuple):
    """A unit sent a figure of a metric."""

    at_s: float
    unit: str
    metric: str
    value: float


_Event = TypeVar("_Event", UnitExposed, FigureSent)


class _Figures:
    """What one unit sent of each metric: how many figures, their sum, and whether one was above 0."""

    __slots__ = ("counts", "happened", "sums")

    def __init__(self, metrics: int) -> None:
        self.counts = [0] * metrics
        self.sums = [0.0] * metrics
        self.happened = [False] * metrics

    def add(self, place: int, value: float) -> None:
        self.counts[place] += 1
        self.sums[place] += value
        self.happened[place] |= value > 0

    def value(self, place: int, kind: MetricKind) -> float:
        return float(self.happened[place]) if kind in (MetricKind.BINARY, MetricKind.RARE) else self.sums[place]


class _Waiting(NamedTuple):
    """A unit whose outcome window is not over."""

    exposure: UnitExposed
    figures: _Figures


class Joiner:
    """Takes what is read, and joins it up to a time of which everything has been read.

    Memory: one entry a unit (its arm), its figures while its window is open or its pre-period is remembered, and what
    was read since the last `advance`. The result does not depend on the order of reading between two of them.

    Args:
        plan: metrics and windows.
        epochs: in their order.

    Example:
        >>> plan = ExperimentPlan("e", "m", 1, 2, (Metric("bought"),), outcome_window_s=10.0)
        >>> joiner = Joiner(plan, [Epoch(0, 50.0, 0.0)])
        >>> joiner.expose(UnitExposed(1.0, "ann", Side.CONTROL, 0))
        >>> for at_s, value in ((3.0, 2.0), (12.0, 9.0)):
        ...     joiner.outcome(FigureSent(at_s, "ann", "bought", value))
        >>> seen = joiner.advance(20.0)
        >>> seen.epochs[0].control.sums("bought").y, seen.ignored.outside_window
        (2.0, 1)
    """

    def __init__(self, plan: ExperimentPlan, epochs: Sequence[Epoch]) -> None:
        self._plan = plan
        self._places = {metric.name: place for place, metric in enumerate(plan.watched)}
        self._began_s = epochs[0].started_at_s if epochs else math.inf
        self._until_s = -math.inf
        self._exposures: list[UnitExposed] = []
        self._outcomes: list[FigureSent] = []
        self._waiting: dict[str, _Waiting] = {}
        self._due: deque[UnitExposed] = deque()
        self._sides: dict[str, Side] = {}
        self._before: dict[str, _Figures] = {}
        self._ignored = dict.fromkeys(Ignored.__slots__, 0)
        self._sums: list[dict[Side, _Arm]] = [_arms(plan) for _ in epochs]

    def expose(self, exposure: UnitExposed) -> None:
        """Takes an exposure; of the same unit any number may come."""
        if exposure.at_s <= self._until_s:
            self._ignored["late"] += exposure.unit not in self._sides
        else:
            self._exposures.append(exposure)

    def outcome(self, outcome: FigureSent) -> None:
        """Takes an outcome of whatever unit and metric."""
        if outcome.metric not in self._places:
            self._ignored["foreign_outcomes"] += 1
        elif outcome.at_s <= self._until_s:
            self._ignored["late"] += 1
        else:
            self._outcomes.append(outcome)

    def advance(self, until_s: float) -> Observations:
        """Joins everything up to a time, and counts the units whose outcome window is over by then.

        Args:
            until_s: everything up to here has been taken; what is taken later and lies before it is late. A time
                before an earlier one changes nothing.
        """
        self._until_s = max(self._until_s, until_s)
        events: list[UnitExposed | FigureSent] = []
        events += _taken(self._exposures, self._until_s)
        events += _taken(self._outcomes, self._until_s)
        events.sort(key=_in_order)
        for event in events:
            if isinstance(event, UnitExposed):
                self._expose(event)
            else:
                self._count(event)
        while self._due and self._due[0].at_s + self._plan.outcome_window_s <= self._until_s:
            self._close(self._due.popleft())
        return self._observations()

    def _expose(self, exposure: UnitExposed) -> None:
        known = self._sides.get(exposure.unit)
        if known is not None:
            self._ignored["crossed"] += known is not exposure.side
            return
        if not 0 <= exposure.epoch < len(self._sums):
            self._ignored["misplaced"] += 1
            return
        self._sides[exposure.unit] = exposure.side
        self._waiting[exposure.unit] = _Waiting(exposure, _Figures(len(self._places)))
        self._due.append(exposure)
        self._sums[exposure.epoch][exposure.side].came += 1

    def _count(self, outcome: FigureSent) -> None:
        place = self._places[outcome.metric]
        if self._began_s - self._plan.pre_period_s <= outcome.at_s < self._began_s:
            self._before.setdefault(outcome.unit, _Figures(len(self._places))).add(place, outcome.value)
            return
        waiting = self._waiting.get(outcome.unit)
        if waiting is not None and outcome.at_s < waiting.exposure.at_s + self._plan.outcome_window_s:
            waiting.figures.add(place, outcome.value)
        else:
            self._ignored["outside_window" if outcome.unit in self._sides else "foreign_outcomes"] += 1

    def _close(self, exposure: UnitExposed) -> None:
        figures = self._waiting.pop(exposure.unit).figures
        before = self._before.pop(exposure.unit, None)
        arm = self._sums[exposure.epoch][exposure.side]
        for place, metric in enumerate(self._plan.watched):
            if metric.kind is MetricKind.RATIO:
                companion = float(figures.counts[place])
            else:
                companion = before.value(place, metric.kind) if before else 0.0
            arm.sums[place] = arm.sums[place].plus(figures.value(place, metric.kind), companion)

    def _observations(self) -> Observations:
        epochs = tuple(
            EpochObservations(**{side.value: arms[side].seen(self._plan.watched) for side in Side})
            for arms in self._sums
        )
        due_s = self._due[0].at_s + self._plan.outcome_window_s if self._due else None
        return Observations(epochs, self._until_s, len(self._due), due_s, Ignored(**self._ignored))


class _Arm:
    """An arm of an epoch while it grows."""

    __slots__ = ("came", "sums")

    def __init__(self, metrics: int) -> None:
        self.came = 0
        self.sums = [Sums()] * metrics

    def seen(self, metrics: Sequence[Metric]) -> ArmObservations:
        return ArmObservations(self.came, {metric.name: sums for metric, sums in zip(metrics, self.sums, strict=True)})


def _arms(plan: ExperimentPlan) -> dict[Side, _Arm]:
    return {side: _Arm(len(plan.watched)) for side in Side}


def _taken(events: list[_Event], until_s: float) -> list[_Event]:
    """Takes the events up to a time out of the list."""
    taken = [event for event in events if event.at_s <= until_s]
    events[:] = [event for event in events if event.at_s > until_s]
    return taken


def _in_order(event: UnitExposed | FigureSent) -> tuple[float, bool, UnitExposed | FigureSent]:
    """By time, an exposure before an outcome of the same moment; then by content, so that no order of reading shows."""
    return event.at_s, isinstance(event, FigureSent), event
