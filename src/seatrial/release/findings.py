"""What the evidence says in words: the findings of a release at one look."""

from __future__ import annotations

from seatrial.domain.evidence import Finding, Verdict, e_value
from seatrial.domain.release import (
    SAMPLE_RATIO_CHECK,
    STEP_CHECK,
    ArmCounters,
    ReleaseCounters,
    ReleasePlan,
    ReleaseState,
)
from seatrial.release.guards import bake_evidence, harm_evidence, mismatch_evidence, safety_evidence
from seatrial.release.power import seen_ratio
from seatrial.stats.evidence import alarm_level
from seatrial.stats.sample_ratio import MISMATCH_LEVEL

__all__ = ["bake_finding", "hard_stop_finding", "harm_finding", "sample_ratio_finding", "step_finding"]

_WHAT = {
    "errors": "it fails more often",
    "latency": "it is slower",
    "classes": "it answers other classes",
    "disagreement": "it disagrees with production",
}


def sample_ratio_finding(plan: ReleasePlan, state: ReleaseState, counters: ReleaseCounters) -> Finding:
    """Whether units arrive in the configured shares; where they do not, nothing is compared fairly."""
    step, percent = counters.steps[state.step], plan.steps[state.step].percent
    units = step.champion.units + step.challenger.units
    log_e = mismatch_evidence(plan.steps[state.step].share_ratio, step)
    if state.mismatched or log_e >= MISMATCH_LEVEL:
        verdict = Verdict.FAIL
        reason = (
            f"{step.challenger.units} of {units} units came to the challenger at {percent:g} %: the split is not what "
            "it should be, so nothing can be concluded. Look at the router, then roll back, or override it."
        )
    elif units:
        verdict = Verdict.PASS
        reason = f"{step.challenger.units} of {units} units at {percent:g} %: as split."
    else:
        verdict, reason = Verdict.INCONCLUSIVE, "No unit has come yet: send traffic."
    return Finding(
        SAMPLE_RATIO_CHECK, state.subject, verdict, reason, e_value(log_e), e_value(MISMATCH_LEVEL), units,
        {"log_e": log_e, "step": state.step},
    )  # fmt: skip


def harm_finding(plan: ReleasePlan, state: ReleaseState, counters: ReleaseCounters) -> Finding:
    """Whether the challenger is proven to harm: the one claim that alpha is about."""
    evidence = harm_evidence(plan, counters)
    level = alarm_level(plan.alpha)
    requests = sum(step.requests for step in counters.steps)
    if evidence.log_e >= level:
        verdict = Verdict.FAIL
        reason = (
            f"Harm: {_WHAT[evidence.leading]} (evidence {e_value(evidence.log_e):.3g}, limit {e_value(level):.3g}, "
            f"after {requests} requests)."
        )
    else:
        verdict = Verdict.PASS if requests else Verdict.INCONCLUSIVE
        reason = (
            f"No harm found in {requests} requests (evidence {e_value(evidence.log_e):.3g}, limit "
            f"{e_value(level):.3g})."
        )
    return Finding(
        "release.harm", state.subject, verdict, reason, e_value(evidence.log_e), e_value(level), requests,
        {"log_e": evidence.log_e, "log_e_of_guards": evidence.guards},
    )  # fmt: skip


def hard_stop_finding(plan: ReleasePlan, state: ReleaseState, counters: ReleaseCounters) -> Finding:
    """Whether so many requests of the running step fail that no statistics are needed; unless the champion's do too."""
    step = counters.steps[state.step]
    return _hard_stop(plan, state, step.challenger, step.champion)


def step_finding(plan: ReleasePlan, state: ReleaseState, counters: ReleaseCounters, elapsed_s: float) -> Finding:
    """Whether the running step is passed: proven safe, or looked at for long enough without finding harm."""
    planned, step = plan.steps[state.step], counters.steps[state.step]
    log_e = safety_evidence(plan, state.step, step)
    missing = planned.budget_requests - step.requests
    idle = min(step.challenger.requests, step.champion.requests) == 0
    verdict = Verdict.PASS
    if state.passed:
        reason = "The step was passed before."
    elif not idle and _safe(plan, log_e) and step.requests >= planned.min_requests:
        reason = f"Safe: errors are proven below 1.5 times the tolerated, after {step.requests} requests of the step."
    elif missing <= 0 and not idle and plan.on_budget == "advance":
        ratio, power = seen_ratio(plan, state.step, step)
        reason = (
            f"No harm found in the step's {step.requests} requests; {ratio:g} times the errors would have been seen "
            f"with power {power:.2f}."
        )
    else:
        verdict, reason = _unfinished(plan, missing, elapsed_s, idle=idle)
    return Finding(
        STEP_CHECK, state.subject, verdict, reason, e_value(log_e), e_value(alarm_level(plan.alpha)), step.requests,
        {"log_e_safe": log_e, "step": state.step, "percent": planned.percent, "counters": counters.to_json()},
    )  # fmt: skip


def bake_finding(plan: ReleasePlan, state: ReleaseState, counters: ReleaseCounters) -> Finding:
    """Whether the version, with all the traffic, fails more or is slower than the champion: limit, then evidence."""
    stop = _hard_stop(plan, state, counters.bake, ArmCounters())
    if stop.verdict is Verdict.FAIL:
        return stop
    evidence, level = bake_evidence(plan, counters), alarm_level(plan.alpha)
    harm = evidence.log_e >= level
    found = f"{_WHAT[evidence.leading]} than the old version did" if harm else "no worse than the old version"
    failed = f"{counters.bake.failed_requests} of {counters.bake.requests} requests failed"
    return Finding(
        "release.bake", state.subject, Verdict.FAIL if harm else Verdict.PASS,
        f"After the full rollout {failed}: {found}.",
        e_value(evidence.log_e), e_value(level), counters.bake.requests,
        {"log_e": evidence.log_e, "log_e_of_guards": evidence.guards, "counters": counters.to_json()},
    )  # fmt: skip


def _safe(plan: ReleasePlan, log_e: float) -> bool:
    """Whether errors are proven low; a plan that does not watch them proves nothing."""
    return plan.guards.error_weight > 0 and log_e >= alarm_level(plan.alpha)


def _unfinished(plan: ReleasePlan, missing: int, elapsed_s: float, *, idle: bool) -> tuple[Verdict, str]:
    """The verdict about a step that is not passed, and what would settle it."""
    timed_out = 0 < plan.step_timeout_s <= elapsed_s
    if missing > 0:
        reason = f"Too little traffic so far: {missing} requests are missing."
    elif idle:
        reason = "The budget is spent, but one version got no requests: look at the router."
    else:
        reason = "The budget is spent, and the plan waits until the step is proven safe (on_budget = wait)."
    if timed_out and plan.on_timeout == "roll_back":
        return Verdict.FAIL, f"Given up after {elapsed_s:.0f} s. {reason}"
    if timed_out:
        return Verdict.INCONCLUSIVE, f"Overdue by {elapsed_s - plan.step_timeout_s:.0f} s. {reason}"
    return Verdict.INCONCLUSIVE, reason


def _hard_stop(plan: ReleasePlan, state: ReleaseState, challenger: ArmCounters, champion: ArmCounters) -> Finding:
    limit, enough = plan.hard_stop.error_ratio, challenger.requests >= plan.hard_stop.min_requests
    ratio, beside = _failed_ratio(challenger), _failed_ratio(champion)
    shown = f"{challenger.failed_requests} of {challenger.requests} requests of the challenger failed"
    if not enough:
        verdict, reason = Verdict.INCONCLUSIVE, f"{shown}: too few to look at."
    elif ratio < limit:
        verdict, reason = Verdict.PASS, f"{shown}: below the hard stop of {limit:.0%}."
    elif beside >= limit:
        verdict, reason = (
            Verdict.ERROR,
            f"{shown}, but so do the champion's ({beside:.0%}): an outage, not the version.",
        )
    else:
        verdict, reason = Verdict.FAIL, f"Hard stop at {limit:.0%}: {shown}."
    return Finding("release.hard_stop", state.subject, verdict, reason, ratio, limit, challenger.requests)


def _failed_ratio(arm: ArmCounters) -> float:
    return arm.failed_requests / arm.requests if arm.requests else 0.0
