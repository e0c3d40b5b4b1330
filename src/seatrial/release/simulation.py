"""Simulated traffic that ends in the real counters.

Independent requests need no request to be simulated: the counters of a look are exact draws (binomial, multinomial).
Users who come often are different: which of a user's events is the first matters, so every request is made and goes
through the real tally.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from seatrial.domain.latency import LATENCY_EDGES_S
from seatrial.domain.release import (
    Arm,
    ArmCounters,
    FrozenBaseline,
    ReleaseCounters,
    ReleasePlan,
    ReleaseTally,
    Served,
    StepCounters,
    bucket,
)
from seatrial.release.traffic import TAIL_RATIO, Scenario, Traffic

__all__ = ["IndependentRequests", "StickyUsers", "World", "world_for"]

_OUTAGE = (0.3, 0.4)  # part of a step's budget
_USER_CONCENTRATION = 0.1  # users differ much: few of them have most of the failures
_USER_SIGMA_RATIO = 0.5  # half of the variance of log latency lies between users

FloatArray = npt.NDArray[np.float64]


class World(Protocol):
    """Traffic that answers with counters, as a data plane would."""

    def begin_step(self) -> None:
        """The next step of the plan begins; after the last one, the full rollout."""
        ...

    def serve(self, requests: int) -> None:
        """So many further requests of both versions."""
        ...

    def counters(self) -> ReleaseCounters:
        """The counters so far."""
        ...


def world_for(
    plan: ReleasePlan, scenario: Scenario, baseline: FrozenBaseline, mirror_ratio: float, rng: np.random.Generator
) -> World:
    """The cheapest world that is exact for the scenario."""
    if scenario.heavy_users > 1:
        return StickyUsers(plan, scenario, baseline, rng)
    return IndependentRequests(plan, scenario, baseline, mirror_ratio, rng)


class IndependentRequests:
    """Every request is its own unit."""

    def __init__(
        self,
        plan: ReleasePlan,
        scenario: Scenario,
        baseline: FrozenBaseline,
        mirror_ratio: float,
        rng: np.random.Generator,
    ) -> None:
        self._plan, self._scenario, self._rng, self._mirror_ratio = plan, scenario, rng, mirror_ratio
        self._errors = _Errors(plan, scenario)
        traffic = scenario.traffic
        self._cells = {
            Arm.CHAMPION: _cells([traffic.above(threshold) for threshold in baseline.thresholds_s]),
            Arm.CHALLENGER: _cells([scenario.above(traffic, threshold) for threshold in baseline.tolerant_s]),
        }
        self._classes = {
            Arm.CHAMPION: np.array([share for _, share in traffic.class_shares]),
            Arm.CHALLENGER: np.array(scenario.class_shares(traffic)),
        }
        self._counters = ReleaseCounters(before=baseline.before)
        self._baking = False

    def begin_step(self) -> None:
        """See World."""
        if len(self._counters.steps) == len(self._plan.steps):
            self._baking = True
        else:
            self._counters = replace(self._counters, steps=(*self._counters.steps, StepCounters()))

    def serve(self, requests: int) -> None:
        """See World."""
        counters = self._counters
        if self._baking:
            ratio = self._errors.ratio(Arm.CHALLENGER, len(self._plan.steps), 0)
            self._counters = replace(counters, bake=self._served(counters.bake, Arm.CHALLENGER, requests, ratio))
            return
        place, step = len(counters.steps) - 1, counters.steps[-1]
        routed = int(self._rng.binomial(requests, self._plan.steps[place].share_ratio))
        ratios = {arm: self._errors.ratio(arm, place, step.requests) for arm in Arm}
        mirrored = int(self._rng.binomial(requests, self._mirror_ratio))
        grown = StepCounters(
            self._served(step.champion, Arm.CHAMPION, requests - routed, ratios[Arm.CHAMPION]),
            self._served(step.challenger, Arm.CHALLENGER, routed, ratios[Arm.CHALLENGER]),
            step.mirrored + mirrored,
            step.disagreements + int(self._rng.binomial(mirrored, self._scenario.disagreement)),
        )
        self._counters = replace(counters, steps=(*counters.steps[:-1], grown))

    def counters(self) -> ReleaseCounters:
        """See World."""
        return self._counters

    def _served(self, before: ArmCounters, arm: Arm, requests: int, error_ratio: float) -> ArmCounters:
        rng = self._rng
        errors = int(rng.binomial(requests, error_ratio))
        over = rng.multinomial(requests, self._cells[arm])[:0:-1].cumsum()[::-1]
        classes = rng.multinomial(requests - errors, self._classes[arm])
        return ArmCounters(
            before.requests + requests,
            before.failed_requests + errors,
            before.units + requests,
            before.errors + errors,
            _sum(before.slow, over.tolist()),
            _sum(before.classes, classes.tolist()),
        )


class StickyUsers:
    """Users who come again and again, each always to the same version while the split stands still."""

    def __init__(
        self,
        plan: ReleasePlan,
        scenario: Scenario,
        baseline: FrozenBaseline,
        rng: np.random.Generator,
        *,
        first_only: bool = True,
    ) -> None:
        """`first_only` False counts every event of a user: what must not be done, for showing why."""
        self._plan, self._scenario, self._rng, self._first_only = plan, scenario, rng, first_only
        self._errors = _Errors(plan, scenario)
        self._tally = ReleaseTally(baseline)
        self._steps = self._served_of_step = 0
        self._bake = ArmCounters()
        traffic = scenario.traffic
        users = max(10, round(sum(step.budget_requests for step in plan.steps) / scenario.heavy_users))
        salt = str(rng.integers(2**63))
        self._names = [f"user-{number}" for number in range(users)]
        self._places = np.array([bucket(name, salt) for name in self._names])
        self._proneness: dict[float, FloatArray] = {}
        self._delays = np.exp(_USER_SIGMA_RATIO * rng.standard_normal(users) * 0.5**0.5)
        self._labels = [label for label, _ in traffic.class_shares]
        self._shares = [share for _, share in traffic.class_shares]
        self._latencies = _Latencies(traffic)

    def begin_step(self) -> None:
        """See World."""
        self._steps += 1
        self._served_of_step = 0
        if self._steps <= len(self._plan.steps):
            self._tally.begin_step()

    def serve(self, requests: int) -> None:
        """See World."""
        rng, scenario = self._rng, self._scenario
        if self._baking:  # nothing is compared any more: who asks does not matter
            ratio = float(self._prone(self._errors.factor(Arm.CHALLENGER, len(self._plan.steps), 0)).mean())
            failures = self._bake.failed_requests + int(rng.binomial(requests, ratio))
            self._bake = replace(self._bake, requests=self._bake.requests + requests, failed_requests=failures)
            return
        users = rng.integers(len(self._names), size=requests)
        place = self._steps - 1
        challenger = self._places[users] < self._plan.steps[place].share_ratio
        factor = self._errors.factor(Arm.CHALLENGER, place, self._served_of_step)
        prone = np.where(challenger, self._prone(factor)[users], self._prone(1.0)[users])
        failed = rng.random(requests) < prone
        failed |= rng.random(requests) < self._errors.outage(self._served_of_step, place)
        tail = np.where(rng.random(requests) < TAIL_RATIO, scenario.tail_slowdown, 1.0)
        slower = np.where(challenger, scenario.slowdown * tail, 1.0)
        latencies_s = self._latencies.draw(rng, requests) * self._delays[users] * slower
        shifted = rng.random(requests) < scenario.label_shift * challenger
        classes = np.where(shifted, 0, rng.choice(len(self._labels), requests, p=self._shares))
        self._served_of_step += requests
        for user, right, bad, latency_s, label in zip(
            users.tolist(), challenger.tolist(), failed.tolist(), latencies_s.tolist(), classes.tolist(), strict=True
        ):
            self._tally.count(
                Served(
                    Arm.CHALLENGER if right else Arm.CHAMPION,
                    self._names[user] if self._first_only else None,
                    bad,
                    latency_s,
                    () if bad else (self._labels[label],),
                )
            )

    def counters(self) -> ReleaseCounters:
        """See World."""
        return replace(self._tally.counters(), bake=self._bake)

    @property
    def _baking(self) -> bool:
        return self._steps > len(self._plan.steps)

    def _prone(self, factor: float) -> FloatArray:
        """(users,) how often each user's requests fail where so many times the usual do."""
        if factor not in self._proneness:
            mean = min(1.0, self._scenario.error_ratio * factor)
            self._proneness[factor] = _proneness(self._rng, len(self._names), mean)
        return self._proneness[factor]


class _Errors:
    """The share of failing requests of each arm, at each moment."""

    def __init__(self, plan: ReleasePlan, scenario: Scenario) -> None:
        self._plan, self._scenario = plan, scenario
        self._middle = len(plan.steps) // 2

    def ratio(self, arm: Arm, place: int, served: int) -> float:
        """For an arm in a step, after so many requests of the step."""
        raised = min(1.0, self._scenario.error_ratio * self.factor(arm, place, served))
        return max(raised, self.outage(served, place))

    def factor(self, arm: Arm, place: int, _: int) -> float:
        """Times the champion's usual share."""
        if arm is Arm.CHAMPION:
            return 1.0
        return self._scenario.error_rise * (self._scenario.late_regression if place >= self._middle else 1.0)

    def outage(self, served: int, place: int) -> float:
        """Share that fails in both arms because of something else."""
        if place >= len(self._plan.steps):
            return 0.0
        part = served / self._plan.steps[place].budget_requests
        return self._scenario.outage if _OUTAGE[0] <= part < _OUTAGE[1] else 0.0


class _Latencies:
    """Draws latencies from a histogram, even within each bucket."""

    def __init__(self, traffic: Traffic) -> None:
        counts = np.array(traffic.latency_counts, np.float64)
        self._cumulated = np.concatenate([[0.0], np.cumsum(counts) / counts.sum()])
        self._edges = np.array([0.0, *LATENCY_EDGES_S, 2 * LATENCY_EDGES_S[-1]])

    def draw(self, rng: np.random.Generator, size: int) -> FloatArray:
        """(size,) seconds."""
        drawn: FloatArray = np.interp(rng.random(size), self._cumulated, self._edges)
        return drawn


def _proneness(rng: np.random.Generator, users: int, mean: float) -> FloatArray:
    """(users,) how often the requests of each user fail: few users have most of the failures."""
    if not 0 < mean < 1:
        return np.full(users, mean)
    return rng.beta(mean * _USER_CONCENTRATION, (1 - mean) * _USER_CONCENTRATION, users)


def _cells(above: list[float]) -> FloatArray:
    """(thresholds + 1,) probability of a latency between the thresholds, from the shares above each."""
    cells: FloatArray = -np.diff([1.0, *above, 0.0])
    return cells


def _sum(before: tuple[int, ...], more: list[int]) -> tuple[int, ...]:
    return tuple(map(int.__add__, before, more)) if before else tuple(more)
