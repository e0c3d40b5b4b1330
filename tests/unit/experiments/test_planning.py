"""How many units an experiment needs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks import experiments
from seatrial.domain.errors import ExperimentPlanError, ReleasePlanError
from seatrial.domain.experiment import Better, ExperimentPlan, Metric, MetricKind
from seatrial.experiments.planning import Expectation, units_needed

BOUGHT = Metric("bought", MetricKind.BINARY)
RIGHT = Metric("right", MetricKind.BINARY, margin=0.01)
CRASHED = Metric("crashed", MetricKind.RARE, Better.LOWER, margin=0.2)
PLAN = ExperimentPlan("e", "m", 1, 2, (BOUGHT,), (RIGHT, CRASHED))


def test_what_is_planned_is_what_readouts_need() -> None:
    planned = units_needed(PLAN, BOUGHT, Expectation(0.2, 0.02)).median
    read = np.median(experiments.first_times(experiments.Simulated(BOUGHT, 0.2, 0.22), experiments.shipped, 60))
    assert planned == pytest.approx(read, rel=0.25)


def test_a_guardrail_is_planned_with_equal_arms() -> None:
    planned = units_needed(PLAN, RIGHT, Expectation(0.9)).median
    lost = experiments.Simulated(replace(experiments.BINARY, margin=0.01), 0.9, 0.9, looks=200, batch=1000)
    read = np.median(experiments.first_times(lost, experiments.held, 40))
    assert planned == pytest.approx(read, rel=0.3)


def test_smaller_effects_and_smaller_shares_need_more_units() -> None:
    half = units_needed(PLAN, BOUGHT, Expectation(0.2, 0.02))
    assert units_needed(PLAN, BOUGHT, Expectation(0.2, 0.01)).median > 3 * half.median
    tenth = units_needed(PLAN, BOUGHT, Expectation(0.2, 0.02), treatment_percent=10.0)
    assert tenth.median > 2 * half.median
    assert tenth.exposed == pytest.approx(0.1 * tenth.wanted_power)
    assert half.median < half.wanted_power
    assert units_needed(PLAN, BOUGHT, Expectation(0.2, -0.02)).median < 2 * half.median  # a loss shows as soon


def test_figures_with_a_deviation_of_their_own() -> None:
    plan = replace(PLAN, metrics=(Metric("spent", least_gain=1.0),))
    calm = units_needed(plan, plan.metrics[0], Expectation(20.0, deviation=10.0))
    wild = units_needed(plan, plan.metrics[0], Expectation(20.0, deviation=30.0))
    assert wild.median > 5 * calm.median


def test_rare_events_are_planned_by_their_own_test() -> None:
    plan = replace(PLAN, metrics=(replace(CRASHED, margin=0.0),), guardrails=())
    doubled, more = (units_needed(plan, plan.metrics[0], Expectation(0.01, effect)) for effect in (1.0, 0.2))
    assert doubled.median < 20_000 < more.median
    guarded = units_needed(PLAN, CRASHED, Expectation(0.01))
    assert 50_000 < guarded.median < 400_000


def test_an_effect_too_small_for_any_experiment_is_told() -> None:
    assert units_needed(PLAN, BOUGHT, Expectation(0.2, 1e-6)).median == float("inf")


@pytest.mark.parametrize(
    ("metric", "expectation", "reason"),
    [
        (BOUGHT, Expectation(0.2), "which effect"),
        (BOUGHT, Expectation(1.2, 0.1), "between 0 and 1"),
        (Metric("spent"), Expectation(5.0, 1.0), "standard deviation"),
        (CRASHED, Expectation(0.0), "between 0 and 1"),
    ],
)
def test_what_cannot_be_planned(metric: Metric, expectation: Expectation, reason: str) -> None:
    with pytest.raises(ExperimentPlanError, match=reason):
        units_needed(PLAN, metric, expectation)


def test_a_share_that_compares_nothing() -> None:
    with pytest.raises(ExperimentPlanError, match="compares nothing"):
        units_needed(PLAN, BOUGHT, Expectation(0.2, 0.02), treatment_percent=100.0)
    with pytest.raises(ReleasePlanError, match="impossible"):
        units_needed(PLAN, BOUGHT, Expectation(0.2, 0.02), treatment_percent=200.0)
