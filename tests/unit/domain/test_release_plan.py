"""Plans that no release can have are refused, with the reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from seatrial.domain.errors import ReleasePlanError
from seatrial.domain.release import GuardPlan, HardStop, ReleasePlan, StepPlan

STEPS = (StepPlan(10.0), StepPlan(50.0))


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: StepPlan(0.0), "compares nothing"),
        (lambda: StepPlan(100.0), "compares nothing"),
        (lambda: StepPlan(-1.0), "between 0 and 100"),
        (lambda: StepPlan(0.001), "too fine"),
        (lambda: StepPlan(5.0, 100, 50), "min_requests"),
        (lambda: StepPlan(5.0, 0, 50), "min_requests"),
        (lambda: StepPlan(5.0, approval="pope"), "approval"),  # type: ignore[arg-type]  # what a file may say
        (lambda: GuardPlan(0.0, 0.0, 0.0, 0.0), "nothing is watched"),
        (lambda: GuardPlan(error_weight=-1.0), "never negative"),
        (lambda: GuardPlan(error_tolerance_ratio=0.0), "error_tolerance_ratio"),
        (lambda: GuardPlan(latency_tolerance_rungs=-1), "latency_tolerance_rungs"),
        (lambda: GuardPlan(disagreement_limit_ratio=1.0), "disagreement_limit_ratio"),
        (lambda: HardStop(0.0), "impossible"),
        (lambda: HardStop(0.5, 0), "impossible"),
        (lambda: ReleasePlan(()), "compares nothing"),
        (lambda: ReleasePlan((StepPlan(10.0), StepPlan(10.0))), "must rise"),
        (lambda: ReleasePlan((StepPlan(50.0), StepPlan(10.0))), "must rise"),
        (lambda: ReleasePlan(STEPS, alpha=1.0), "alpha"),
        (lambda: ReleasePlan(STEPS, bake_s=-1.0), "bake_s"),
        (lambda: ReleasePlan(STEPS, step_timeout_s=float("inf")), "step_timeout_s"),
        (lambda: ReleasePlan(STEPS, on_budget="pray"), "on_budget"),  # type: ignore[arg-type]  # what a file may say
        (lambda: ReleasePlan.from_json({}), "no release plan"),
        (lambda: ReleasePlan.from_json({**ReleasePlan(STEPS).to_json(), "more": 1}), "no release plan"),
    ],
)
def test_the_impossible_is_refused(make: Callable[[], object], reason: str) -> None:
    with pytest.raises(ReleasePlanError, match=reason):
        make()


def test_a_plan_survives_json_and_its_digest_follows_it() -> None:
    plan = ReleasePlan(STEPS, GuardPlan(disagreement_weight=0.1), HardStop(0.5, 10), on_budget="wait", preset="demo")
    assert ReleasePlan.from_json(plan.to_json()) == plan
    assert ReleasePlan.from_json(plan.to_json()).sha256 == plan.sha256
    assert replace(plan, alpha=0.01).sha256 != plan.sha256
