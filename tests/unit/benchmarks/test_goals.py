from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.contestants import OURS, OURS_INT8
from benchmarks.goals import goals
from benchmarks.material import Material
from benchmarks.rounds import Measured
from benchmarks.table import Goal, goal_table
from seatrial.loadgen.results import LoadResult, Observation, Spent, summarise
from seatrial.loadgen.usage import Memory

ROOT = Path(__file__).parents[3]
MATERIAL = Material(
    Path(), Path(), {}, {("conversion.probability_difference", "onnx-fp32"): {"value": 2e-6}}, ("fine",)
)


def result(texts_per_s: int, latency_s: float = 0.01) -> LoadResult:
    """Of a window of a second."""
    ended = [0.5] * texts_per_s
    return summarise([Observation(at - latency_s, at - latency_s, at, "200", 1) for at in ended], 0, 1, Spent(0, 1))


def measured() -> Measured:
    found = Measured()
    for (name, scenario), rates in {
        ("textbook", "c32"): (60, 50, 900),
        ("mlflow", "c32"): (100, 100, 100),
        ("plain", "c32"): (160, 160, 160),
        (OURS, "c32"): (200, 10, 220),
        (OURS, "c8"): (180, 180, 180),
        (OURS, "4x32"): (190, 190, 190),
        (OURS_INT8, "c32"): (300, 300, 300),
    }.items():
        found.results[name, scenario] = [result(rate) for rate in rates]
    found.results["plain-2", "c1"] = [result(10, latency_s=0.008)]
    found.results[OURS, "c1"] = [result(10, latency_s=0.006)]
    found.results[OURS, "open"] = [result(10, latency_s=0.06)]
    found.engine[OURS] = [{"engine_texts_per_s": 250.0, "sgemm_flops": 1e11, "roof_texts_per_s": 300.0}]
    found.outside_us = [240.0, 90.0, 110.0]
    found.memory["at rest"] = Memory(260_000_000, 200_000_000)
    return found


def test_goals_are_ratios_of_medians() -> None:
    found = [goal.measured for goal in goals(measured(), MATERIAL)]
    assert found == pytest.approx(
        [200 / 60, 2.0, 1.25, 0.8, 0.76, 0.9, 0.75, 10.0, 250 / 300, 1.5, 110.0, 2e-6, 260.0]
    )  # fmt: skip


def test_the_verdicts_follow_the_limits() -> None:
    assert [goal.verdict for goal in goals(measured(), MATERIAL)] == [
        "**missed**", "aim met", "**missed**", "**missed**", "**missed**", "met", "aim met", "met", "met", "met", "met",
        "aim met", "met",
    ]  # fmt: skip


def test_what_was_not_measured_is_not_met() -> None:
    assert {goal.verdict for goal in goals(Measured(), Material(Path(), Path(), {}, {}, ()))} == {"not measured"}


def test_the_page_promises_the_goals_that_are_judged() -> None:
    page = (ROOT / "docs" / "benchmarks.md").read_text("utf-8")
    for goal in goals(measured(), MATERIAL):
        limits = f"| {goal.form.format(goal.at_least)} | {goal.form.format(goal.aim)} |"
        numbers = [f"| {goal.at_least:g}", f"| {goal.aim:g}"]
        assert limits in page or all(
            number in page.replace("1e-5", "1e-05").replace("5e-6", "5e-06") for number in numbers
        )


@pytest.mark.parametrize(
    ("value", "verdict"), [(9.0, "aim met"), (10.0, "aim met"), (11.0, "met"), (13.0, "**missed**")]
)
def test_least_is_best_where_it_is(value: float, verdict: str) -> None:
    goal = Goal("latency", value, at_least=12, aim=10, form="{:.0f} ms", least_is_best=True)
    assert goal.verdict == verdict
    assert goal_table([goal])[-1] == f"| latency | {value:.0f} ms | 12 ms | 10 ms | {verdict} |"
