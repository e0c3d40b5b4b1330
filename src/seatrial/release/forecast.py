"""What a plan will cost and find, before any traffic; a plan that cannot find what it is for is refused."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from seatrial.domain.evidence import Finding, Verdict
from seatrial.domain.latency import LATENCY_RUNG_RATIO
from seatrial.domain.release import ReleasePlan
from seatrial.release.guards import guard_weights, solo_level
from seatrial.release.power import WANTED_POWER, errors_difference
from seatrial.release.traffic import Scenario, Traffic, frozen_baseline
from seatrial.stats.planning import (
    Difference,
    class_evidence,
    detection_requests,
    error_evidence,
    latency_evidence,
    power_within,
    requests_for_power,
)

__all__ = ["Forecast", "StepForecast", "forecast"]

_ERROR_RISES = (1.25, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0)
_SLOWDOWNS = tuple(LATENCY_RUNG_RATIO**rungs for rungs in (1, 2, 3, 4, 5, 7, 10, 15))
_LABEL_SHIFTS = (0.02, 0.05, 0.1, 0.2, 0.3)
_HOUR_S = 3600.0
_RUNS = 300


@dataclass(frozen=True, slots=True)
class StepForecast:
    """One step before it begins; what is found, is found by this step alone.

    Attributes:
        percent: the challenger's share.
        min_requests: after which it may be called safe.
        budget_requests: after which it is passed.
        min_h: hours until the former.
        budget_h: hours until the latter.
        exposed_units: users that the challenger answers at most.
        power: of finding the stated rise of errors within the budget.
        requests_for_power: of both versions until it is found with power 0.8; infinite beyond the budget.
        error_rise: smallest of some that is found with power 0.8, None where none is.
        slowdown: likewise, times the champion's latency.
        label_shift: likewise, share of the answers that moves to one label.
    """

    percent: float
    min_requests: int
    budget_requests: int
    min_h: float
    budget_h: float
    exposed_units: int
    power: float
    requests_for_power: float
    error_rise: float | None
    slowdown: float | None
    label_shift: float | None


@dataclass(frozen=True, slots=True)
class Forecast:
    """A plan before its first request.

    Attributes:
        steps: each of them.
        error_rise: the rise of errors the plan is for.
        power: probability that one step at least finds it.
        finding: whether that is enough.
    """

    steps: tuple[StepForecast, ...]
    error_rise: float
    power: float
    finding: Finding

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dictionary; what is infinite is None."""
        steps = [
            {key: value if value is not None and math.isfinite(value) else None for key, value in asdict(step).items()}
            for step in self.steps
        ]
        return {
            "error_rise": self.error_rise,
            "power": self.power,
            "budget_requests": sum(step.budget_requests for step in self.steps),
            "budget_h": sum(step.budget_h for step in self.steps),
            "exposed_units": max(step.exposed_units for step in self.steps),
            "steps": steps,
            "finding": self.finding.to_json(),
        }


@functools.lru_cache(maxsize=16)
def forecast(plan: ReleasePlan, traffic: Traffic, error_rise: float, subject: str = "plan") -> Forecast:
    """Requests, hours, exposure and power of each step.

    The power of a step is that of its own process while all others stay at 1. The power of the plan takes the steps as
    independent and is a little low: evidence is carried from step to step. A rehearsal measures it.

    Args:
        plan: what is asked about.
        traffic: of the version in production.
        error_rise: times production's errors that must be found.
        subject: of the finding.
    """
    steps = tuple(_step(plan, traffic, place, error_rise) for place in range(len(plan.steps)))
    power = 1 - math.prod(1 - step.power for step in steps)
    enough = power >= WANTED_POWER
    reason = (
        f"{error_rise:g} times the errors (now {traffic.error_ratio:.2%}) is found with power {power:.2f}; "
        f"{WANTED_POWER} is wanted."
    )
    if not enough:
        reason += " Give the steps a larger budget or larger shares, or state a larger effect."
    verdict = Verdict.PASS if enough else Verdict.FAIL
    finding = Finding(
        "release.plan_power", subject, verdict, reason, power, WANTED_POWER,
        sum(step.budget_requests for step in plan.steps),
    )  # fmt: skip
    return Forecast(steps, error_rise, power, finding)


def _step(plan: ReleasePlan, traffic: Traffic, place: int, error_rise: float) -> StepForecast:
    step, rate = plan.steps[place], traffic.requests_per_s * _HOUR_S
    power, needed = 0.0, math.inf
    if "errors" in guard_weights(plan):
        stated = errors_difference(plan, place, traffic.error_ratio, error_rise)
        evidence = error_evidence(plan.guards.error_tolerance_ratio)
        detections = detection_requests(stated, evidence, step.budget_requests, runs=_RUNS)
        power = power_within(detections, step.budget_requests)
        needed = requests_for_power(detections, WANTED_POWER)
    return StepForecast(
        percent=step.percent,
        min_requests=step.min_requests,
        budget_requests=step.budget_requests,
        min_h=step.min_requests / rate,
        budget_h=step.budget_requests / rate,
        exposed_units=math.ceil(step.budget_requests * step.share_ratio / traffic.requests_per_unit),
        power=power,
        requests_for_power=needed,
        error_rise=_smallest(plan, "errors", _ERROR_RISES, lambda size: _found_errors(plan, traffic, place, size)),
        slowdown=_smallest(plan, "latency", _SLOWDOWNS, lambda size: _found_slowdown(plan, traffic, place, size)),
        label_shift=_smallest(plan, "classes", _LABEL_SHIFTS, lambda size: _found_shift(plan, traffic, place, size)),
    )


def _smallest(plan: ReleasePlan, guard: str, sizes: tuple[float, ...], power: Callable[[float], float]) -> float | None:
    """The smallest size that the step finds with the wanted power; None without such a guard."""
    if guard not in guard_weights(plan):
        return None
    return next((size for size in sizes if power(size) >= WANTED_POWER), None)


def _found_errors(plan: ReleasePlan, traffic: Traffic, place: int, rise: float) -> float:
    difference = errors_difference(plan, place, traffic.error_ratio, rise)
    return _power(plan, place, difference, error_evidence(plan.guards.error_tolerance_ratio))


def _found_slowdown(plan: ReleasePlan, traffic: Traffic, place: int, ratio: float) -> float:
    scenario, baseline = Scenario(slowdown=ratio), frozen_baseline(traffic, plan.guards.latency_tolerance_rungs)
    champion = _cells([traffic.above(threshold_s) for threshold_s in baseline.thresholds_s])
    challenger = _cells([scenario.above(traffic, threshold_s) for threshold_s in baseline.tolerant_s])
    share = plan.steps[place].share_ratio
    return _power(plan, place, Difference(share, champion, challenger, solo_level(plan, "latency")), latency_evidence)


def _found_shift(plan: ReleasePlan, traffic: Traffic, place: int, shift: float) -> float:
    champion = tuple(share for _, share in traffic.class_shares)
    challenger = Scenario(label_shift=shift).class_shares(traffic)
    share = plan.steps[place].share_ratio
    return _power(plan, place, Difference(share, champion, challenger, solo_level(plan, "classes")), class_evidence)


def _power(plan: ReleasePlan, place: int, difference: Difference, evidence: Any) -> float:
    budget = plan.steps[place].budget_requests
    return power_within(detection_requests(difference, evidence, budget, runs=_RUNS), budget)


def _cells(above: list[float]) -> tuple[float, ...]:
    """Probabilities of a latency between the thresholds, from the shares above each."""
    return tuple(higher - lower for higher, lower in zip([1.0, *above], [*above, 0.0], strict=True))
