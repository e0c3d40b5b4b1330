"""Rehearsals: through the real decision, repeatable, and shown."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from seatrial.domain.evidence import Verdict
from seatrial.domain.release import ReleasePlan, StepPlan
from seatrial.release.rehearsal import rehearse
from seatrial.release.report import rehearsal_finding, rehearsal_page, write_report
from seatrial.release.traffic import Scenario

PLAN = ReleasePlan((StepPlan(10.0, 500, 4_000), StepPlan(50.0, 500, 4_000)), bake_s=60.0)


@pytest.mark.parametrize(
    ("scenario", "decision"),
    [
        (Scenario(), "promoted"),
        (Scenario(slowdown=1.05), "promoted"),
        (Scenario(outage=0.2), "promoted"),
        (Scenario(error_rise=10.0), "rolled_back"),
        (Scenario(slowdown=2.0), "rolled_back"),
        (Scenario(tail_slowdown=4.0), "rolled_back"),
        (Scenario(label_shift=0.6), "rolled_back"),
        (Scenario(late_regression=10.0), "rolled_back"),
    ],
)
def test_a_scenario_ends_as_it_should(scenario: Scenario, decision: str) -> None:
    rehearsal = rehearse(PLAN, scenario, runs=8)
    assert rehearsal.count(decision) >= 7
    assert rehearsal_finding(rehearsal).verdict is Verdict.PASS


def test_a_late_regression_passes_the_first_step() -> None:
    assert {run.step for run in rehearse(PLAN, Scenario(late_regression=10.0), runs=5).runs} == {2}


def test_disagreement_is_found_where_requests_are_mirrored() -> None:
    plan = replace(PLAN, guards=replace(PLAN.guards, disagreement_weight=0.1))
    assert rehearse(plan, Scenario(disagreement=0.3), runs=5, mirror_ratio=0.2).count("rolled_back") == 5


def test_a_strict_plan_is_held_where_nothing_can_be_proven() -> None:
    strict = replace(PLAN, on_budget="wait")
    run = rehearse(strict, Scenario(error_ratio=0.0), runs=1).runs[0]
    assert (run.decision, run.step) == ("held", 1)


def test_a_plan_with_approvals_is_approved_at_once() -> None:
    plan = ReleasePlan(tuple(replace(step, approval="another") for step in PLAN.steps), bake_s=0.0)
    assert rehearse(plan, Scenario(), runs=2).count("promoted") == 2


def test_equal_seeds_give_equal_runs() -> None:
    first, second = (rehearse(PLAN, Scenario(error_rise=3.0), runs=3, seed=7) for _ in range(2))
    assert first.runs == second.runs
    assert first.runs != rehearse(PLAN, Scenario(error_rise=3.0), runs=3, seed=8).runs


def test_a_failed_rehearsal_says_so() -> None:
    missed = rehearse(PLAN, Scenario(error_rise=1.2), runs=5)
    assert rehearsal_finding(missed).verdict is Verdict.FAIL


@pytest.mark.parametrize("rise", [1.0, 10.0])
def test_the_page_shows_it(tmp_path: Path, rise: float) -> None:
    rehearsal = rehearse(PLAN, Scenario(error_rise=rise), runs=4)
    html = write_report(rehearsal, tmp_path).read_text("utf-8")
    assert ("<svg" in html) is (rise > 1)
    assert "Rehearsal of a release" in html
    assert rehearsal_page(rehearsal).findings[0].samples == 4


def test_the_json_has_what_scripts_read() -> None:
    document = json.loads(json.dumps(rehearse(PLAN, Scenario(error_rise=10.0), runs=2).to_json(), allow_nan=False))
    assert document["rolled_back"] + document["promoted"] + document["held"] == len(document["runs"]) == 2
    assert {"decision", "step", "requests", "canary_requests", "failed_canary_requests"} <= set(document["runs"][0])
