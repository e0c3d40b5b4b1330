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
from seatrial.stats.evidence import FloatArray, log_mean_exp, log_start_mean, log_weighted_mean, shared_out
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
_BAKE_SLOW_MARGIN = 2.0  # load of the hour moves latencies further than failures
_BAKE_CONFIDENCE = 0.999
_MOST_ALLOWED = 0.99


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


def bake_evidence(plan: ReleasePlan, counters: ReleaseCounters) -> Evidence:
    """The evidence, after the full rollout, that requests fail or are slow more often than the champion's.

    There is no champion beside it any more, so its own shares, at their upper bounds and with a margin, are taken as
    the allowed ones: of failures half as many again as over the whole release; of slow requests twice as many as before
    the release or during it, whichever are more. A safety net: what would have hit both versions alarms too.
    """
    champions, bake = [step.champion for step in counters.steps], counters.bake
    requests, failed = sum(arm.requests for arm in champions), sum(arm.failed_requests for arm in champions)
    guards = {"errors": _above(bake.failed_requests, bake.requests, _allowed(failed, requests, _BAKE_MARGIN))}
    if bake.slow and counters.before.requests and plan.guards.latency_weight > 0:
        before, during = (_slow_shares(arms, len(bake.slow)) for arms in ([counters.before], champions))
        pairs = zip(bake.slow, map(max, before, during), strict=True)
        guards["latency"] = float(log_mean_exp([_above(slow, bake.requests, allowed) for slow, allowed in pairs]))
    wanted = {"errors": plan.guards.error_weight or 1.0, "latency": plan.guards.latency_weight}
    weights = shared_out([wanted[name] for name in guards])
    return Evidence(float(log_weighted_mean(list(guards.values()), weights)), guards)


def _slow_shares(arms: Sequence[ArmCounters], thresholds: int) -> list[float]:
    """The share of slow requests that is no alarm, at each threshold; all of them where nothing is known."""
    counted = [arm for arm in arms if arm.slow]
    requests = sum(arm.requests for arm in counted)
    slow = [sum(arm.slow[place] for arm in counted) for place in range(thresholds)]
    return [_allowed(count, requests, _BAKE_SLOW_MARGIN) for count in slow]


def _allowed(bad: int, requests: int, margin: float) -> float:
    """The share of bad requests that is no alarm, from how many the champion had."""
    return min(_MOST_ALLOWED, margin * upper_bound(bad, requests, _BAKE_CONFIDENCE))


def _above(bad: int, requests: int, allowed: float) -> float:
    """The evidence that more are bad; none where nearly all may be."""
    return float(log_risk(bad, requests, allowed, LABEL_GRID)) if allowed < _MOST_ALLOWED else 0.0


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
