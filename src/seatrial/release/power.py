"""Which rise of errors a step would have shown: what "no harm found" is worth."""

from __future__ import annotations

import functools

from seatrial.domain.release import ReleasePlan, StepCounters
from seatrial.release.guards import guard_weights, solo_level
from seatrial.stats.planning import Difference, detection_requests, error_evidence, power_within

__all__ = ["WANTED_POWER", "errors_difference", "seen_ratio"]

WANTED_POWER = 0.8
_RATIOS = (1.25, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0)
_RUNS = 200


def seen_ratio(plan: ReleasePlan, place: int, step: StepCounters) -> tuple[float, float]:
    """The smallest rise of errors that the step would have shown with power 0.8, and its power.

    The step's own process alone, at the champion's error ratio and the requests it had. Where even the largest rise
    that is tried is not seen so surely, that one and its power; 0 power where errors are not watched.

    Returns:
        ratio to the champion's errors, and power.
    """
    if "errors" not in guard_weights(plan):
        return _RATIOS[-1], 0.0
    champion = step.champion
    base = max(champion.errors, 0.5) / champion.requests
    # Two digits are enough for a sentence, and let equal steps share the work.
    return _seen_ratio(plan, place, float(f"{base:.1g}"), int(float(f"{step.requests:.2g}")))


@functools.lru_cache(maxsize=1024)
def _seen_ratio(plan: ReleasePlan, place: int, base_ratio: float, requests: int) -> tuple[float, float]:
    tolerance, power, ratio = plan.guards.error_tolerance_ratio, 0.0, _RATIOS[0]
    for ratio in _RATIOS:
        difference = errors_difference(plan, place, base_ratio, ratio)
        power = power_within(detection_requests(difference, error_evidence(tolerance), requests, runs=_RUNS), requests)
        if power >= WANTED_POWER or ratio * base_ratio >= 1:
            break
    return ratio, power


def errors_difference(plan: ReleasePlan, place: int, base_ratio: float, ratio: float) -> Difference:
    """A challenger with so many times the champion's errors, in one step of the plan."""
    raised = min(1.0, base_ratio * ratio)
    return Difference(
        plan.steps[place].share_ratio, (base_ratio, 1 - base_ratio), (raised, 1 - raised), solo_level(plan, "errors")
    )
