"""What a plan foretells, and when it is refused."""

from __future__ import annotations

import json

import pytest

from seatrial.domain.evidence import Verdict
from seatrial.domain.release import GuardPlan, ReleasePlan, StepPlan
from seatrial.release.forecast import forecast
from seatrial.release.traffic import Traffic

TRAFFIC = Traffic.typical(requests_per_s=10.0)
PLAN = ReleasePlan((StepPlan(10.0, 1_000, 6_000),))


def test_a_plan_that_finds_its_effect_passes() -> None:
    foretold = forecast(PLAN, TRAFFIC, 5.0)
    step = foretold.steps[0]
    assert foretold.finding.verdict is Verdict.PASS
    assert step.budget_h == pytest.approx(6_000 / 36_000)
    assert step.exposed_units == 600
    assert step.requests_for_power < 6_000
    assert step.error_rise is not None
    assert step.error_rise <= 5.0


def test_a_plan_without_the_power_is_refused() -> None:
    foretold = forecast(PLAN, TRAFFIC, 1.25)
    assert foretold.finding.verdict is Verdict.FAIL
    assert foretold.power < 0.8
    assert "larger budget" in foretold.finding.reason
    assert foretold.to_json()["steps"][0]["requests_for_power"] is None


def test_a_guard_that_is_left_out_finds_nothing() -> None:
    plan = ReleasePlan(PLAN.steps, GuardPlan(error_weight=0.0, class_weight=0.0))
    step = forecast(plan, TRAFFIC, 5.0).steps[0]
    assert (step.power, step.error_rise, step.label_shift) == (0.0, None, None)
    assert step.slowdown is not None


def test_a_forecast_is_json() -> None:
    document = json.loads(json.dumps(forecast(PLAN, TRAFFIC, 5.0).to_json(), allow_nan=False))
    assert document["budget_requests"] == 6_000
