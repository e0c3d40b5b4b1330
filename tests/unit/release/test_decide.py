"""The decision at one look: each gate is seen to fail, alone and in its order."""

from __future__ import annotations

from dataclasses import replace

import pytest

from seatrial.domain.errors import ReleasePlanError
from seatrial.domain.evidence import Finding, Verdict
from seatrial.domain.release import (
    Action,
    ArmCounters,
    Decision,
    GuardPlan,
    Phase,
    ReleaseCounters,
    ReleasePlan,
    ReleaseState,
    StepCounters,
    StepPlan,
)
from seatrial.release.decide import APPROVAL_CHECK, OVERRIDE_CHECK, decide

PLAN = ReleasePlan((StepPlan(10.0), StepPlan(50.0)), GuardPlan(disagreement_weight=0.1))
HEALTHY = StepCounters(
    ArmCounters(9_000, 90, 9_000, 90, (4_500, 900), (3_600, 5_400)),
    ArmCounters(1_000, 10, 1_000, 10, (500, 100), (400, 600)),
    1_000,
    20,
)


def state_of(plan: ReleasePlan = PLAN, **more: object) -> ReleaseState:
    return replace(ReleaseState("r-1", "m", 1, 2, "ann", plan.sha256), **more)  # type: ignore[arg-type]  # named fields


def look(step: StepCounters, plan: ReleasePlan = PLAN, *human: Finding, now_s: float = 0.0, **more: object) -> Decision:
    return decide(plan, state_of(plan, **more), ReleaseCounters((step,)), now_s, human)


def challenger(step: StepCounters, **more: object) -> StepCounters:
    return replace(step, challenger=replace(step.challenger, **more))  # type: ignore[arg-type]  # named fields


def times(step: StepCounters, factor: int) -> StepCounters:
    """The same shares in so many more requests."""

    def grown(arm: ArmCounters) -> ArmCounters:
        slow, classes = (tuple(factor * count for count in counts) for counts in (arm.slow, arm.classes))
        requests, failed, errors = factor * arm.requests, factor * arm.failed_requests, factor * arm.errors
        return ArmCounters(requests, failed, requests, errors, slow, classes)

    return StepCounters(
        grown(step.champion), grown(step.challenger), factor * step.mirrored, factor * step.disagreements
    )


def found(decision: Decision, check: str) -> Finding:
    return next(finding for finding in decision.findings if finding.check == check)


def act(check: str, name: str = "bob", step: int = 0, **more: object) -> Finding:
    return Finding(check, "m@2", Verdict.PASS, "A person.", details={"step": step, "name": name, **more})


def test_a_healthy_step_that_is_not_finished_holds() -> None:
    decision = look(HEALTHY)
    assert decision.action is Action.HOLD
    assert "10000 requests are missing" in decision.reason
    assert found(decision, "release.harm").verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("fault", "guard", "words"),
    [
        ({"errors": 60}, "errors", "fails more often"),
        ({"slow": (800, 300)}, "latency", "slower"),
        ({"classes": (700, 300)}, "classes", "other classes"),
    ],
)
def test_each_guard_alone_rolls_back_on_its_own_fault(fault: dict[str, object], guard: str, words: str) -> None:
    decision = look(challenger(HEALTHY, **fault))
    assert decision.action is Action.ROLL_BACK
    assert words in decision.reason
    logs = found(decision, "release.harm").details["log_e_of_guards"]
    assert max(logs, key=logs.get) == guard
    assert all(value < 1.5 for name, value in logs.items() if name != guard)


def test_disagreement_alone_rolls_back() -> None:
    decision = look(replace(HEALTHY, disagreements=150))
    assert decision.action is Action.ROLL_BACK
    assert "disagrees" in decision.reason


@pytest.mark.parametrize("weight", ["error_weight", "latency_weight", "class_weight", "disagreement_weight"])
def test_a_guard_that_is_left_out_sees_nothing(weight: str) -> None:
    bad = replace(challenger(HEALTHY, errors=60, slow=(800, 300), classes=(700, 300)), disagreements=150)
    names = ("error_weight", "latency_weight", "class_weight", "disagreement_weight")
    errors, latency, classes, disagreement = (float(name == weight) for name in names)
    only = ReleasePlan(PLAN.steps, GuardPlan(errors, latency, classes, disagreement))
    assert look(bad, only).action is Action.ROLL_BACK
    healthy_there = {
        "error_weight": challenger(bad, errors=10),
        "latency_weight": challenger(bad, slow=(500, 100)),
        "class_weight": challenger(bad, classes=(400, 600)),
        "disagreement_weight": replace(bad, disagreements=20),
    }[weight]
    assert look(healthy_there, only).action is Action.HOLD


def test_an_outage_of_both_versions_is_no_evidence() -> None:
    out = StepCounters(replace(HEALTHY.champion, errors=3_000, failed_requests=3_000),
                       replace(HEALTHY.challenger, errors=333, failed_requests=333))  # fmt: skip
    decision = look(out)
    assert decision.action is Action.HOLD
    assert found(decision, "release.hard_stop").verdict is Verdict.ERROR


def test_the_hard_stop_needs_no_statistics() -> None:
    """No event of a unit counts here, only requests: one user who fails again and again stops nothing by evidence."""
    decision = look(challenger(HEALTHY, failed_requests=300))
    assert decision.action is Action.ROLL_BACK
    assert "Hard stop at 25%" in decision.reason
    few = challenger(HEALTHY, requests=90, failed_requests=80)
    assert found(look(few), "release.hard_stop").verdict is Verdict.INCONCLUSIVE


def test_units_that_do_not_arrive_as_split_end_every_verdict() -> None:
    harmful = challenger(HEALTHY, errors=60, units=700)
    decision = look(harmful)
    assert decision.action is Action.HOLD
    assert found(decision, "release.sample_ratio").verdict is Verdict.FAIL
    assert state_of().after(decision, PLAN, 1.0).mismatched


def test_a_mismatch_stays_seen_and_only_broken_glass_passes_it() -> None:
    mismatched = look(challenger(HEALTHY, errors=60), mismatched=True)
    assert mismatched.action is Action.HOLD
    assert look(times(HEALTHY, 3), PLAN, act(OVERRIDE_CHECK), mismatched=True).action is Action.HOLD
    glass = act(OVERRIDE_CHECK, break_glass=True)
    assert look(times(HEALTHY, 3), PLAN, glass, mismatched=True).action is Action.ADVANCE


def test_the_hard_stop_acts_under_a_mismatch_too() -> None:
    """A version that fails its requests may well be why units are missing: users come first."""
    assert look(challenger(HEALTHY, failed_requests=300), mismatched=True).action is Action.ROLL_BACK


def test_a_step_that_is_proven_safe_is_left_before_its_budget() -> None:
    calm = challenger(times(HEALTHY, 1), errors=2, failed_requests=2)
    decision = look(replace(calm, champion=replace(calm.champion, errors=270)))
    assert decision.action is Action.ADVANCE
    assert "Safe" in decision.reason


def test_safety_is_not_believed_before_the_least_requests() -> None:
    patient = ReleasePlan((StepPlan(10.0, 15_000), StepPlan(50.0)), PLAN.guards)
    calm = challenger(HEALTHY, errors=2, failed_requests=2)
    assert look(replace(calm, champion=replace(calm.champion, errors=270)), patient).action is Action.HOLD


def test_a_spent_budget_says_what_it_would_have_seen() -> None:
    decision = look(times(HEALTHY, 2))
    assert decision.action is Action.ADVANCE
    assert "would have been seen with power 0." in decision.reason or "with power 1.00" in decision.reason
    assert found(decision, "release.step").verdict is Verdict.PASS


def test_a_strict_plan_waits_for_proof_and_a_person_may_end_it() -> None:
    strict = replace(PLAN, on_budget="wait")
    decision = look(times(HEALTHY, 2), strict)
    assert decision.action is Action.HOLD
    assert "on_budget" in decision.reason
    assert look(times(HEALTHY, 2), strict, act(OVERRIDE_CHECK)).action is Action.ADVANCE


def test_nobody_overrides_harm() -> None:
    glass = act(OVERRIDE_CHECK, break_glass=True)
    assert look(challenger(HEALTHY, errors=60), PLAN, glass).action is Action.ROLL_BACK


def test_absent_traffic_is_never_success() -> None:
    decision = look(StepCounters(), now_s=1e9)
    assert decision.action is Action.HOLD
    assert {finding.verdict for finding in decision.findings} == {Verdict.INCONCLUSIVE}
    one_sided = StepCounters(ArmCounters(50_000, 500, 0, 500), ArmCounters())
    assert "one version got no requests" in look(one_sided).reason


@pytest.mark.parametrize(("policy", "action"), [("hold", Action.HOLD), ("roll_back", Action.ROLL_BACK)])
def test_an_overdue_step_does_what_the_plan_says(policy: str, action: Action) -> None:
    plan = replace(PLAN, step_timeout_s=3600.0, on_timeout=policy)  # type: ignore[arg-type]  # one of the two words
    assert look(HEALTHY, plan, now_s=3599.0).action is Action.HOLD
    late = look(HEALTHY, plan, now_s=3600.0)
    assert late.action is action
    assert "requests are missing" in late.reason


def test_a_clock_that_went_back_stands_still() -> None:
    plan = replace(PLAN, step_timeout_s=10.0, on_timeout="roll_back")
    assert look(HEALTHY, plan, now_s=-1e9, since_s=5.0).action is Action.HOLD


@pytest.mark.parametrize(
    ("approval", "names", "action"),
    [
        ("anyone", [], Action.HOLD),
        ("anyone", ["ann"], Action.ADVANCE),
        ("another", ["ann"], Action.HOLD),
        ("another", ["ann", "bob"], Action.ADVANCE),
    ],
)
def test_a_step_waits_for_whom_the_plan_names(approval: str, names: list[str], action: Action) -> None:
    step = StepPlan(10.0, approval=approval)  # type: ignore[arg-type]  # one of the words
    plan = ReleasePlan((step, StepPlan(50.0)), PLAN.guards)
    acts = [act(APPROVAL_CHECK, name) for name in names]
    assert look(times(HEALTHY, 2), plan, *acts).action is action
    assert look(HEALTHY, plan, *acts).action is Action.HOLD  # an approval is no proof


def test_an_act_about_another_step_or_version_is_none() -> None:
    plan = ReleasePlan((StepPlan(10.0, approval="anyone"), StepPlan(50.0)), PLAN.guards)
    other = replace(act(APPROVAL_CHECK), subject="m@3")
    assert look(times(HEALTHY, 2), plan, act(APPROVAL_CHECK, step=1), other).action is Action.HOLD


def test_a_paused_release_goes_no_further_and_still_rolls_back() -> None:
    assert look(times(HEALTHY, 2), phase=Phase.PAUSED).action is Action.HOLD
    assert look(challenger(HEALTHY, errors=60), phase=Phase.PAUSED).action is Action.ROLL_BACK


def test_the_last_step_leads_to_promotion_and_baking() -> None:
    last = StepCounters(times(HEALTHY, 2).champion, replace(times(HEALTHY, 2).champion), 2_000, 40)
    counters = ReleaseCounters((HEALTHY, last))
    state = state_of(step=1)
    decision = decide(PLAN, state, counters, 50.0)
    assert decision.action is Action.PROMOTE
    baking = state.after(decision, PLAN, 50.0)
    assert (baking.phase, baking.since_s) == (Phase.BAKING, 50.0)
    assert baking.split(PLAN).percents == ((2, 100.0), (1, 0.0))
    assert decide(PLAN, baking, counters, 60.0).action is Action.HOLD
    end = decide(PLAN, baking, counters, 50.0 + PLAN.bake_s)
    assert end.action is Action.ADVANCE
    done = baking.after(end, PLAN, 4000.0)
    assert done.phase is Phase.DONE
    assert decide(PLAN, done, counters, 5000.0).action is Action.HOLD


@pytest.mark.parametrize(("failed", "check"), [(60, "release.bake"), (300, "release.hard_stop")])
def test_a_version_that_fails_only_with_all_the_traffic_returns(failed: int, check: str) -> None:
    counters = ReleaseCounters((HEALTHY, HEALTHY), ArmCounters(1_000, failed))
    baking = state_of(step=1, phase=Phase.BAKING)
    decision = decide(PLAN, baking, counters, 1.0)
    assert decision.action is Action.ROLL_BACK
    assert decision.findings[0].check == check
    assert baking.after(decision, PLAN, 1.0).split(PLAN).percents == ((2, 0.0), (1, 100.0))


BEFORE = ArmCounters(10_000, slow=(5_000, 1_000))


def baked(slow: tuple[int, ...], before: ArmCounters = BEFORE, plan: ReleasePlan = PLAN) -> Decision:
    """A look at 1,000 requests after the full rollout, so many of them over each threshold."""
    counters = ReleaseCounters((HEALTHY, HEALTHY), ArmCounters(1_000, 10, 1_000, 10, slow), before)
    return decide(plan, state_of(plan, step=1, phase=Phase.BAKING), counters, 1.0)


def test_a_version_that_is_slow_only_with_all_the_traffic_returns() -> None:
    decision = baked((900, 300))
    assert decision.action is Action.ROLL_BACK
    assert "it is slower" in decision.reason
    evidence = found(decision, "release.bake").details["log_e_of_guards"]
    assert evidence["latency"] > evidence["errors"]
    recorded = ReleaseCounters.from_json(found(decision, "release.bake").to_json()["details"]["counters"])
    assert decide(PLAN, state_of(step=1, phase=Phase.BAKING), recorded, 1.0) == decision


@pytest.mark.parametrize(
    ("slow", "before"),
    [
        pytest.param((500, 100), BEFORE, id="as fast as the old one"),
        pytest.param((550, 130), BEFORE, id="slower, within the margin"),
        pytest.param((1_000, 1_000), ArmCounters(), id="nothing known of the old one"),
        pytest.param((900, 300), ArmCounters(10_000, slow=(9_000, 3_000)), id="the old one was as slow"),
        pytest.param((1_000, 1_000), ArmCounters(10_000, slow=(9_990, 9_990)), id="all of the old one's were slow"),
    ],
)
def test_a_version_that_is_no_slower_stays(slow: tuple[int, ...], before: ArmCounters) -> None:
    assert baked(slow, before).action is Action.HOLD


def test_a_plan_that_does_not_watch_latency_does_not_watch_it_after_the_rollout() -> None:
    plan = replace(PLAN, guards=GuardPlan(latency_weight=0.0))
    assert baked((1_000, 1_000), plan=plan).action is Action.HOLD


def test_a_plan_edited_half_way_and_foreign_counters_are_refused() -> None:
    with pytest.raises(ReleasePlanError, match="another plan"):
        decide(replace(PLAN, alpha=0.2), state_of(), ReleaseCounters((HEALTHY,)), 0.0)
    with pytest.raises(ReleasePlanError, match="not its own"):
        decide(PLAN, state_of(), ReleaseCounters((HEALTHY, HEALTHY)), 0.0)


def test_a_step_that_has_not_been_counted_yet_holds() -> None:
    assert decide(PLAN, state_of(step=1), ReleaseCounters((HEALTHY,)), 0.0).action is Action.HOLD


def test_a_decision_can_be_replayed_from_its_own_record() -> None:
    decision = look(times(HEALTHY, 2))
    recorded = ReleaseCounters.from_json(found(decision, "release.step").to_json()["details"]["counters"])
    assert decide(PLAN, state_of(), recorded, 0.0) == decision


def test_a_candidate_equal_to_production_is_refused() -> None:
    with pytest.raises(ReleasePlanError, match="in production already"):
        ReleaseState("r", "m", 2, 2, "ann", "")
