"""The page about an experiment."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.domain.experiment import Better, Epoch, ExperimentPlan, Metric, MetricKind
from seatrial.domain.readout import Readout
from seatrial.experiments.observations import ArmObservations, EpochObservations, Observations
from seatrial.experiments.readout import readout
from seatrial.experiments.report import experiment_page, write_report
from seatrial.stats.confidence_sequence import Sums
from tests.unit.reports.html_check import check_offline, check_well_formed

METRICS = (Metric("bought", MetricKind.BINARY, least_gain=0.01), Metric("right", MetricKind.BINARY, margin=0.02))
PLAN = ExperimentPlan(
    "e-1", "m", 1, 2, METRICS[:1], (METRICS[1], Metric("<crashed>", MetricKind.RARE, Better.LOWER, margin=0.3))
)
EPOCHS = (Epoch(0, 50.0, 0.0),)


def look(units: int) -> Readout:
    """A look at an experiment in which the treatment sells more."""

    def arm(bought: float) -> ArmObservations:
        counts = {"bought": bought * units, "right": 0.9 * units, "<crashed>": 0.002 * units}
        return ArmObservations(units, {name: Sums(units, round(n), round(n)) for name, n in counts.items()})

    return readout(PLAN, EPOCHS, Observations((EpochObservations(arm(0.2), arm(0.23)),), 0.0), 0.0)


def test_a_page_that_opens_offline(tmp_path: Path) -> None:
    html = write_report(PLAN, EPOCHS, [look(units) for units in range(100, 20_000, 100)], tmp_path).read_text("utf-8")
    check_well_formed(html)
    check_offline(html)
    assert "keep collecting" in html
    assert "&lt;crashed&gt; (guardrail)" in html
    assert html.count("<svg") == 4  # all metrics now, and each over time
    assert "<crashed>" not in html


def test_before_there_is_anything_to_draw(tmp_path: Path) -> None:
    html = write_report(PLAN, EPOCHS, [look(0)], tmp_path).read_text("utf-8")
    check_well_formed(html)
    assert "<svg" not in html
    assert "No unit has come yet" in html


def test_one_look_has_no_history() -> None:
    titles = [section.title for section in experiment_page(PLAN, EPOCHS, [look(20_000)]).sections]
    assert titles == ["Metrics", "Plan"]


def test_what_was_never_looked_at_has_no_page() -> None:
    with pytest.raises(ValueError, match="never looked at"):
        experiment_page(PLAN, EPOCHS, [])
