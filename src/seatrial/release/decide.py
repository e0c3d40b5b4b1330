"""The decision at one look: pure, from plan, state, counters and the time; replayable from the record.

The order: are units split as configured (else no verdict), is there harm, is the hard stop reached, is the step
passed, is it out of time. What a person did comes in as a finding, like everything else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from seatrial.domain.errors import ReleasePlanError
from seatrial.domain.evidence import Finding, Verdict
from seatrial.domain.release import (
    STEP_CHECK,
    Action,
    Decision,
    Phase,
    ReleaseCounters,
    ReleasePlan,
    ReleaseState,
    StepCounters,
)
from seatrial.release.findings import (
    bake_finding,
    hard_stop_finding,
    harm_finding,
    sample_ratio_finding,
    step_finding,
)

__all__ = ["APPROVAL_CHECK", "OVERRIDE_CHECK", "decide"]

APPROVAL_CHECK = "human.approval"
"""A person agrees that a step is left: details `step` (from 0) and `name`."""
OVERRIDE_CHECK = "human.override"
"""A person ends a hold: details `step` and `break_glass`, without which nothing that FAILs is passed."""


def decide(
    plan: ReleasePlan, state: ReleaseState, counters: ReleaseCounters, now_s: float, human: Sequence[Finding] = ()
) -> Decision:
    """What to do now: advance, hold, roll back, or promote after the last step.

    Args:
        plan: the one the release was started with.
        state: where it stands.
        counters: everything counted so far, one entry for each step begun.
        now_s: seconds since the epoch; a clock that went back counts as one that stood still.
        human: acts of people on record, as findings about the subject.

    Raises:
        ReleasePlanError: the plan is not the one of the start, or the counters are of other steps.
    """
    counters = _own(plan, state, counters)
    if state.phase.over:
        return Decision(Action.HOLD, state.subject, f"The release is over: {state.phase.value}.", ())
    elapsed_s = max(0.0, now_s - state.since_s)
    if state.phase is Phase.BAKING:
        return _decide_bake(plan, state, counters, elapsed_s)
    return _decide_step(plan, state, counters, elapsed_s, human)


def _own(plan: ReleasePlan, state: ReleaseState, counters: ReleaseCounters) -> ReleaseCounters:
    """The counters, one for each step begun: what counts may not have heard of the newest steps yet."""
    if plan.sha256 != state.plan_sha256:
        raise ReleasePlanError(
            f"Release {state.release} was started with another plan: a plan is fixed before its first request. Roll "
            "back and start a release with the new one."
        )
    missing = state.step + 1 - len(counters.steps)
    if missing < 0 or state.step >= len(plan.steps):
        raise ReleasePlanError(
            f"Release {state.release} is in step {state.step + 1} of {len(plan.steps)}, but {len(counters.steps)} "
            "steps were counted: these counters are not its own."
        )
    return replace(counters, steps=(*counters.steps, *[StepCounters()] * missing)) if missing else counters


def _decide_step(
    plan: ReleasePlan, state: ReleaseState, counters: ReleaseCounters, elapsed_s: float, human: Sequence[Finding]
) -> Decision:
    mismatch = sample_ratio_finding(plan, state, counters)
    harm = harm_finding(plan, state, counters)
    stop = hard_stop_finding(plan, state, counters)
    step = step_finding(plan, state, counters, elapsed_s)
    acts = [act for act in human if act.subject == state.subject and act.details.get("step") == state.step]
    override = [act for act in acts if act.check == OVERRIDE_CHECK]
    glass_broken = any(act.details.get("break_glass") is True for act in override)
    findings = (mismatch, harm, stop, step, *acts)

    def decided(action: Action, reason: str) -> Decision:
        return Decision(action, state.subject, reason, findings)

    if stop.verdict is Verdict.FAIL:
        return decided(Action.ROLL_BACK, stop.reason)
    if mismatch.verdict is Verdict.FAIL and not glass_broken:
        return decided(Action.HOLD, mismatch.reason)
    if harm.verdict is Verdict.FAIL:
        return decided(Action.ROLL_BACK, harm.reason)
    if step.verdict is Verdict.FAIL:
        return decided(Action.ROLL_BACK, step.reason)
    if stop.verdict is Verdict.ERROR and not override:
        return decided(Action.HOLD, stop.reason)
    if step.verdict is not Verdict.PASS and not override:
        return decided(Action.HOLD, step.reason)
    return decided(*_onwards(plan, state, step, acts))


def _onwards(plan: ReleasePlan, state: ReleaseState, step: Finding, acts: Sequence[Finding]) -> tuple[Action, str]:
    """What follows a passed step: the next one, promotion, or waiting for a person."""
    if state.phase is Phase.PAUSED:
        return Action.HOLD, f"Paused: resume the release to go on. {step.reason}"
    if missing := _missing_approval(plan, state, acts):
        return Action.HOLD, f"{missing} {step.reason}"
    if state.step + 1 == len(plan.steps):
        return Action.PROMOTE, f"The last compared step is passed. {step.reason}"
    return Action.ADVANCE, f"On to {plan.steps[state.step + 1].percent:g} %. {step.reason}"


def _missing_approval(plan: ReleasePlan, state: ReleaseState, acts: Sequence[Finding]) -> str:
    """Whose approval is missing, empty where nobody's is."""
    wanted = plan.steps[state.step].approval
    names = {
        str(act.details.get("name")) for act in acts if act.check == APPROVAL_CHECK and act.verdict is Verdict.PASS
    }
    if wanted == "anyone" and not names:
        return "Waits for somebody's approval."
    if wanted == "another" and not names - {state.requester}:
        return f"Waits for the approval of somebody other than {state.requester}."
    return ""


def _decide_bake(plan: ReleasePlan, state: ReleaseState, counters: ReleaseCounters, elapsed_s: float) -> Decision:
    finding = bake_finding(plan, state, counters)
    if finding.verdict is Verdict.FAIL:
        return Decision(Action.ROLL_BACK, state.subject, finding.reason, (finding,))
    if elapsed_s < plan.bake_s:
        left_s = plan.bake_s - elapsed_s
        reason = f"Baking: the previous version stays loaded for another {left_s:.0f} s. {finding.reason}"
        return Decision(Action.HOLD, state.subject, reason, (finding,))
    done = Finding(STEP_CHECK, state.subject, Verdict.PASS, f"The bake period of {plan.bake_s:.0f} s is over.")
    return Decision(Action.ADVANCE, state.subject, f"{done.reason} {finding.reason}", (finding, done))
