"""Plans that no experiment can have are refused, with the reason."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace

import pytest

from seatrial.domain.errors import ExperimentPlanError, ReleasePlanError
from seatrial.domain.experiment import Better, Epoch, ExperimentPlan, Metric, MetricKind

BOUGHT = Metric("bought", MetricKind.BINARY)
PLAN = ExperimentPlan("e-1", "m", 1, 2, (BOUGHT,), (Metric("crashed", MetricKind.RARE, Better.LOWER, margin=0.2),))


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: Metric(""), "needs a name"),
        (lambda: Metric("a", margin=-1.0), "margin"),
        (lambda: Metric("a", least_gain=float("nan")), "least_gain"),
        (lambda: Metric("a", MetricKind.RARE, margin=1.0), "losing all"),
        (lambda: Metric.from_json({"name": "a"}), "no metric"),
        (lambda: Metric.from_json({**asdict(BOUGHT), "kind": "median"}), "no metric"),
        (lambda: Metric.from_json({**asdict(BOUGHT), "name": 7}), "no metric"),
        (lambda: Metric.from_json({**asdict(BOUGHT), "margin": "much"}), "no metric"),
        (lambda: Metric.from_json({**asdict(BOUGHT), "colour": "red"}), "no metric"),
        (lambda: Epoch(0, 0.0, 0.0), "compares nothing"),
        (lambda: Epoch(0, 100.0, 0.0), "compares nothing"),
        (lambda: Epoch(-1, 50.0, 0.0), "impossible"),
        (lambda: Epoch(0, 50.0, float("nan")), "impossible"),
        (lambda: replace(PLAN, experiment=""), "identifier"),
        (lambda: replace(PLAN, model="no model"), "name"),
        (lambda: replace(PLAN, control=0), "from 1"),
        (lambda: replace(PLAN, control=2), "with itself"),
        (lambda: replace(PLAN, metrics=()), "primary"),
        (lambda: replace(PLAN, guardrails=(BOUGHT,)), "named once"),
        (lambda: replace(PLAN, guardrails=(Metric("fast"),)), "margin"),
        (lambda: replace(PLAN, metrics=(Metric("fast", margin=1.0),)), "guardrail"),
        (lambda: replace(PLAN, alpha=0.0), "alpha"),
        (lambda: replace(PLAN, outcome_window_s=0.0), "outcome_window_s"),
        (lambda: replace(PLAN, pre_period_s=-1.0), "pre_period_s"),
        (lambda: replace(PLAN, most_units=-1), "most_units"),
        (lambda: ExperimentPlan.from_json({}), "no experiment plan"),
        (lambda: ExperimentPlan.from_json({**PLAN.to_json(), "metrics": [3]}), "no metric"),
        (lambda: ExperimentPlan.from_json({**PLAN.to_json(), "alpha": "little"}), "no experiment plan"),
        (lambda: ExperimentPlan.from_json({**PLAN.to_json(), "control": None}), "no experiment plan"),
    ],
)
def test_what_no_experiment_can_have(make: Callable[[], object], reason: str) -> None:
    with pytest.raises(ExperimentPlanError, match=reason):
        make()


def test_a_share_that_no_router_can_hold() -> None:
    with pytest.raises(ReleasePlanError, match="too fine"):
        Epoch(0, 33.333, 0.0)


def test_a_plan_survives_json_and_keeps_its_digest() -> None:
    again = ExperimentPlan.from_json(json.loads(json.dumps(PLAN.to_json())))
    assert again == PLAN
    assert again.sha256 == PLAN.sha256
    assert replace(PLAN, alpha=0.01).sha256 != PLAN.sha256


def test_primary_metrics_share_alpha_and_guardrails_do_not() -> None:
    plan = replace(PLAN, metrics=(BOUGHT, Metric("spent")), alpha=0.1)
    assert [plan.alpha_of(metric) for metric in plan.watched] == [0.05, 0.05, 0.1]
