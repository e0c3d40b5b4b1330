"""Journals as a data plane writes them, fed page by page."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from seatrial.domain.assignment import Exposure
from seatrial.domain.experiment import Better, Epoch, ExperimentPlan, Metric, MetricKind, Side
from seatrial.domain.inference import MetricValue, Outcome, PredictionRecord, TrueLabel
from seatrial.domain.readout import Judgement
from seatrial.experiments.feeding import FAILED, LABEL_CORRECT, LATENCY_S, Feeder, Seen
from seatrial.serving.journal_format import JournalEntry

METRICS = (
    Metric("bought", MetricKind.BINARY),
    Metric(LABEL_CORRECT, MetricKind.RATIO),
    Metric(LATENCY_S, MetricKind.RATIO, Better.LOWER),
    Metric(FAILED, MetricKind.RARE, Better.LOWER),
)
PLAN = ExperimentPlan("e-1", "m", 1, 2, METRICS, outcome_window_s=50.0)
EPOCHS = (Epoch(0, 50.0, 0.0),)


def answered(at_s: float, unit: str | None, side: Side = Side.CONTROL, **fields: Any) -> JournalEntry:
    record = PredictionRecord(
        f"r-{unit}-{at_s:g}", "m", "1", Outcome.SUCCESS, 0.25, unit, 2, labels=("good", "bad"),
        confidences=(0.9, 0.8), exposure=Exposure("e-1", side, 0),
    )  # fmt: skip
    return JournalEntry(at_s, prediction=replace(record, **fields))


def fed(*entries: JournalEntry, until_s: float = 1000.0, page: int = 2) -> Seen:
    documents = [json.loads(msgspec.json.encode(entry)) for entry in entries]
    with Feeder(PLAN, EPOCHS) as feeder:
        for start in range(0, len(documents), page):
            feeder.take(documents[start : start + page])
        return feeder.seen(until_s)


def test_figures_and_labels_find_their_unit_by_name_or_by_request() -> None:
    seen = fed(
        answered(1.0, "ann"),
        answered(2.0, None, Side.TREATMENT, request_id="lone"),
        JournalEntry(3.0, metric_value=MetricValue("bought", 1.0, unit="ann")),
        JournalEntry(4.0, metric_value=MetricValue("bought", 1.0, request_id="lone")),
        JournalEntry(5.0, true_label=TrueLabel("r-ann-1", 0, "good")),
        JournalEntry(6.0, true_label=TrueLabel("r-ann-1", 1, "good")),
        JournalEntry(7.0, true_label=TrueLabel("r-ann-1", 9, "good")),
        JournalEntry(8.0, true_label=TrueLabel("nobody", 0, "good")),
        JournalEntry(8.0, metric_value=MetricValue("bought", 1.0, request_id="nobody")),
        JournalEntry(9.0, metric_value=MetricValue(LABEL_CORRECT, 1.0, unit="ann")),
    ).observations.epochs[0]
    assert (seen.control.came, seen.treatment.came) == (1, 1)
    assert seen.control.sums("bought").y == seen.treatment.sums("bought").y == 1.0
    assert (seen.control.sums(LABEL_CORRECT).y, seen.control.sums(LABEL_CORRECT).x) == (1.0, 2.0)


def test_the_journal_itself_tells_failures_and_latency() -> None:
    seen = fed(
        answered(1.0, "ann"),
        answered(2.0, "bob", outcome=Outcome.ERROR, labels=(), confidences=()),
        answered(3.0, "eve", outcome=Outcome.INVALID),
        answered(4.0, "ida", outcome=Outcome.REJECTED),
        answered(5.0, "joe", exposure=None),
        answered(6.0, "kim", exposure=Exposure("another", Side.CONTROL, 0)),
    ).observations.epochs[0]
    assert seen.control.came == 2
    assert seen.control.sums(FAILED).y == 1.0
    assert (seen.control.sums(LATENCY_S).y, seen.control.sums(LATENCY_S).x) == (0.25, 1.0)


@pytest.mark.parametrize("page", [1, 3, 100])
def test_pages_of_any_size_give_the_same(page: int) -> None:
    entries = list(itertools.chain.from_iterable(_visit(number) for number in range(60)))
    assert fed(*entries, page=page).observations == fed(*entries, page=7).observations


def _visit(number: int) -> Iterable[JournalEntry]:
    side = Side.TREATMENT if number % 2 else Side.CONTROL
    yield answered(float(number), f"u{number}", side)
    yield JournalEntry(number + 0.5, metric_value=MetricValue("bought", 1.0, unit=f"u{number}"))


def test_units_in_wrong_shares_once_block_for_good() -> None:
    early = [answered(number / 100, f"u{number}", Side.CONTROL) for number in range(400)]
    seen = fed(*early, page=100)
    assert seen.readout.judgement is Judgement.BLOCKED
    late = [answered(5 + number / 100, f"v{number}", Side.TREATMENT) for number in range(400)]
    after = [answered(100 + number, f"w{number}", side) for number in range(20) for side in (Side.CONTROL,)]
    again = fed(*early, *[replace_at(entry, 60.0) for entry in late], *after, page=100)
    assert again.readout.control_units == 420
    assert again.readout.mismatched


def replace_at(entry: JournalEntry, later_s: float) -> JournalEntry:
    return msgspec.structs.replace(entry, at_s=entry.at_s + later_s)
