"""From counters to evidence: each guard's e-process, and their one combination that is held against alpha."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from seatrial.domain.release import ArmCounters, ReleaseCounters, ReleasePlan, StepCounters
from seatrial.stats.bernoulli_risk import DISAGREEMENT_GRID, LABEL_GRID, log_risk, log_risk_by_start
from seatrial.stats.class_mix import log_other_mix_by_start
from seatrial.stats.clopper_pearson import upper_bound
from seatrial.stats.evidence import FloatArray, log_start_mean, log_weighted_mean, shared_out
from seatrial.stats.exceedances import log_slower_by_start
from seatrial.stats.rate_ratio import ArmEvents, log_harm_by_start, log_safe
from seatrial.stats.sample_ratio import log_mismatch

__all__ = [
    "Evidence",
    "bake_evidence",
    "guard_weights",
    "harm_evidence",
    "mismatch_evidence",
    "safety_evidence",
    "solo_level",
]

_BAKE_MARGIN = 1.5
_BAKE_CONFIDENCE = 0.999


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the counters prove at one look.

    Attributes:
        log_e: log of the combined evidence of harm; an alarm at -log(alpha).
        guards: the same of each guard by itself, for people; it decides nothing.
    """

    log_e: float
    guards: dict[str, float]

    @property
    def leading(self) -> str:
        """The guard with the most evidence."""
        return max(self.guards, key=lambda name: self.guards[name])


def harm_evidence(plan: ReleasePlan, counters: ReleaseCounters) -> Evidence:
    """The evidence that the challenger harms, over all steps so far.

    In each process (one begins with each step) the guards are averaged with their weights; the processes are averaged
    over all planned steps. A guard without data is worth 1.

    Example:
        >>> from seatrial.domain.release import StepPlan
        >>> plan = ReleasePlan((StepPlan(50.0),))
        >>> abs(harm_evidence(plan, ReleaseCounters((StepCounters(),))).log_e) < 1e-12
        True
    """
    shares = tuple(step.share_ratio for step in plan.steps[: len(counters.steps)])
    weights = guard_weights(plan)
    by_start = np.stack([_GUARDS[name](plan, counters.steps, shares) for name in weights])
    combined = log_weighted_mean(by_start, tuple(weights.values()))
    averaged = log_start_mean(np.concatenate([by_start, combined[np.newaxis]]), len(plan.steps)).tolist()
    return Evidence(averaged[-1], dict(zip(weights, averaged, strict=False)))


def guard_weights(plan: ReleasePlan) -> dict[str, float]:
    """The weights of the guards that are configured; those of the others are shared out in proportion.

    Example:
        >>> from seatrial.domain.release import StepPlan
        >>> {name: round(weight, 3) for name, weight in guard_weights(ReleasePlan((StepPlan(50.0),))).items()}
        {'errors': 0.444, 'latency': 0.444, 'classes': 0.111}
    """
    guards = plan.guards
    wanted = {
        "errors": guards.error_weight,
        "latency": guards.latency_weight,
        "classes": guards.class_weight,
        "disagreement": guards.disagreement_weight,
    }
    names = [name for name, weight in wanted.items() if weight > 0]
    return dict(zip(names, shared_out([wanted[name] for name in names]), strict=True))


def solo_level(plan: ReleasePlan, guard: str) -> float:
    """The log evidence at which one guard raises the alarm alone, in the process begun with one step.

    All other guards and processes are taken as worth 1, which is what they are without data and on average.
    """
    weight, planned = guard_weights(plan)[guard], len(plan.steps)
    return math.log((planned / plan.alpha - (planned - weight)) / weight)


def mismatch_evidence(share_ratio: float, step: StepCounters) -> float:
    """Log evidence that units do not arrive in the step's shares."""
    return float(log_mismatch((step.champion.units, step.challenger.units), (1 - share_ratio, share_ratio)))


def safety_evidence(plan: ReleasePlan, place: int, step: StepCounters) -> float:
    """Log evidence that the challenger's errors are below 1.5 times the tolerated, from this step alone."""
    events = ArmEvents(plan.steps[place].share_ratio, step.challenger.errors, step.champion.errors)
    return log_safe(events, plan.guards.error_tolerance_ratio)


def bake_evidence(counters: ReleaseCounters) -> float:
    """Log evidence, after the full rollout, that requests fail more often than the champion's did.

    There is no champion beside it any more, so its share of failures over the whole release, at its upper bound and
    with half as much again, is taken as the allowed one. A safety net: an outage that would have hit both versions
    alarms too.
    """
    requests = sum(step.champion.requests for step in counters.steps)
    failed = sum(step.champion.failed_requests for step in counters.steps)
    allowed = min(0.99, _BAKE_MARGIN * upper_bound(failed, requests, _BAKE_CONFIDENCE))
    return float(log_risk(counters.bake.failed_requests, counters.bake.requests, allowed, LABEL_GRID))


def _errors(plan: ReleasePlan, steps: Sequence[StepCounters], shares: tuple[float, ...]) -> FloatArray:
    challenger, champion = [step.challenger.errors for step in steps], [step.champion.errors for step in steps]
    return log_harm_by_start(challenger, champion, shares, plan.guards.error_tolerance_ratio)


def _latency(_: ReleasePlan, steps: Sequence[StepCounters], shares: tuple[float, ...]) -> FloatArray:
    return _many(log_slower_by_start, steps, shares, lambda arm: arm.slow)


def _classes(_: ReleasePlan, steps: Sequence[StepCounters], shares: tuple[float, ...]) -> FloatArray:
    return _many(log_other_mix_by_start, steps, shares, lambda arm: arm.classes)


def _disagreement(plan: ReleasePlan, steps: Sequence[StepCounters], _: tuple[float, ...]) -> FloatArray:
    bad, cases = [step.disagreements for step in steps], [step.mirrored for step in steps]
    return log_risk_by_start(bad, cases, plan.guards.disagreement_limit_ratio, DISAGREEMENT_GRID)


def _many(
    evidence: Callable[..., FloatArray],
    steps: Sequence[StepCounters],
    shares: tuple[float, ...],
    of: Callable[[ArmCounters], tuple[int, ...]],
) -> FloatArray:
    """The evidence of a guard with several counters an arm; a step that has not counted yet counts zeros."""
    arms = [[of(step.challenger) for step in steps], [of(step.champion) for step in steps]]
    width = max((len(counts) for arm in arms for counts in arm), default=0)
    if not width:
        return np.zeros(len(steps))
    challenger, champion = (np.array([counts or (0,) * width for counts in arm], np.float64).T for arm in arms)
    return evidence(challenger, champion, shares)


_GUARDS = {"errors": _errors, "latency": _latency, "classes": _classes, "disagreement": _disagreement}
