"""Each gate is seen to pass, to fail, and to say that it cannot tell."""

from __future__ import annotations

import numpy as np
import pytest

from seatrial.config import EvaluationSettings
from seatrial.domain.evidence import Finding, Verdict
from seatrial.evaluation import gates
from seatrial.evaluation.calibration import Calibration, calibrate
from seatrial.evaluation.comparison import Comparison
from seatrial.evaluation.metrics import Accuracy, accuracy, class_scores
from seatrial.evaluation.slices import Slice
from seatrial.stats.paired import PairedCounts
from tests.unit.evaluation.examples import logits_of, spread

SUBJECT = "tiny@2"
SETTINGS = EvaluationSettings(
    accuracy_floor=0.8, f1_floor=0.7, ece_ceiling=0.15, slice_floor=0.65, slice_rows=100, production_margin=0.01
)


def share(rows: int, wrong: int) -> Accuracy:
    return accuracy(spread(rows, wrong), SETTINGS.confidence)


def rival(rows: int, worse: int, better: int) -> Comparison:
    """A rival on `rows` rows of which the model alone missed `worse` and alone got `better`; it missed 100 others."""
    return Comparison("tiny@1", share(rows, 100 + better), PairedCounts(rows, worse, better))


def calibration(rows: int, right_ratio: float, claimed: float) -> Calibration:
    truth = np.ones(rows, np.int64)
    margin = float(np.log(claimed / (1 - claimed)))
    return calibrate(logits_of(truth, spread(rows, round(rows * (1 - right_ratio))), margin=margin), truth, 1.0)


@pytest.mark.parametrize(
    ("rows", "wrong", "verdict"),
    [
        (2000, 240, Verdict.PASS),  # 88%, bound 86.7%
        (2000, 390, Verdict.INCONCLUSIVE),  # 80.5%, bound 79.0%
        (20, 0, Verdict.PASS),  # 100%, bound 86.1%
        (5, 0, Verdict.INCONCLUSIVE),  # 100% of too few rows
        (2000, 401, Verdict.FAIL),  # 79.95%
    ],
)
def test_accuracy_floor(rows: int, wrong: int, verdict: Verdict) -> None:
    finding = gates.accuracy_floor(SUBJECT, share(rows, wrong), SETTINGS)
    assert finding.verdict is verdict
    assert (finding.check, finding.subject, finding.limit) == ("evaluation.accuracy_floor", SUBJECT, 0.8)
    assert (finding.value, finding.samples) == ((rows - wrong) / rows, rows)


def test_an_accuracy_on_too_few_rows_says_how_many_would_do() -> None:
    finding = gates.accuracy_floor(SUBJECT, share(5, 0), SETTINGS)
    assert finding.reason.endswith("About 4 times as many test rows like these would settle it.")
    assert gates.accuracy_floor(SUBJECT, share(20, 0), SETTINGS).verdict is Verdict.PASS  # and indeed they do


def test_an_accuracy_at_the_floor_is_beyond_any_number_of_rows() -> None:
    finding = gates.accuracy_floor(SUBJECT, share(10, 2), SETTINGS)
    assert finding.verdict is Verdict.INCONCLUSIVE
    assert "Even 64 times as many rows" in finding.reason


@pytest.mark.parametrize(
    ("matrix", "verdict"),
    [
        ([[90, 10], [10, 90]], Verdict.PASS),
        ([[40, 60], [10, 990]], Verdict.FAIL),  # accuracy 93.6%, but one class is hardly found
        ([[0, 0], [10, 190]], Verdict.INCONCLUSIVE),  # nothing is known of the first class
        ([[0, 0], [150, 50]], Verdict.FAIL),  # unknown and bad is bad
    ],
)
def test_f1_floor(matrix: list[list[int]], verdict: Verdict) -> None:
    finding = gates.f1_floor(SUBJECT, class_scores(np.array(matrix), ("negative", "positive")), SETTINGS)
    assert finding.verdict is verdict
    if verdict is Verdict.INCONCLUSIVE:
        assert "'negative'" in finding.reason
        assert finding.details["without_rows"] == ["negative"]


@pytest.mark.parametrize(
    ("rows", "right_ratio", "claimed", "verdict"),
    [
        (2000, 0.9, 0.95, Verdict.PASS),
        (2000, 0.6, 0.99, Verdict.FAIL),
        (20, 0.7, 0.9, Verdict.INCONCLUSIVE),  # off by 0.2, as an honest model may be on twenty rows
    ],
)
def test_calibration_ceiling(rows: int, right_ratio: float, claimed: float, verdict: Verdict) -> None:
    finding = gates.calibration_ceiling(SUBJECT, calibration(rows, right_ratio, claimed), SETTINGS)
    assert finding.verdict is verdict
    assert finding.value == pytest.approx(claimed - right_ratio, abs=1e-6)
    assert finding.samples == rows


@pytest.mark.parametrize(
    ("slices", "verdict", "value"),
    [
        ([share(100, 10), share(200, 60), share(99, 99)], Verdict.PASS, 0.7),  # the small one is not judged
        ([share(100, 36), share(2000, 10)], Verdict.FAIL, 0.64),
        ([share(99, 0), share(50, 50)], Verdict.INCONCLUSIVE, None),
        ([], Verdict.INCONCLUSIVE, None),
    ],
)
def test_slice_floor(slices: list[Accuracy], verdict: Verdict, value: float | None) -> None:
    parts = [Slice("domain", f"d{i}", part) for i, part in enumerate(slices)]
    finding = gates.slice_floor(SUBJECT, parts, SETTINGS)
    assert (finding.verdict, finding.value) == (verdict, value)
    assert finding.details["judged"] + finding.details["too_small"] == len(slices)


@pytest.mark.parametrize(
    ("worse", "better", "verdict", "words"),
    [
        (40, 80, Verdict.PASS, "beats the baseline"),
        (40, 41, Verdict.INCONCLUSIVE, "not proven better"),
        (0, 0, Verdict.INCONCLUSIVE, "not proven better"),
        (41, 40, Verdict.FAIL, "beats the model"),
    ],
)
def test_beats_baseline(worse: int, better: int, verdict: Verdict, words: str) -> None:
    finding = gates.beats_baseline(SUBJECT, rival(1000, worse, better), SETTINGS)
    assert finding.verdict is verdict
    assert finding.value == pytest.approx((better - worse) / 1000)
    assert words in finding.reason


def test_a_lost_comparison_says_by_how_much() -> None:
    finding = gates.beats_baseline(SUBJECT, rival(1000, 60, 40), SETTINGS)
    assert "84.00% against 86.00% (-2.00 points" in finding.reason


@pytest.mark.parametrize(
    ("worse", "better", "verdict"),
    [
        (10, 40, Verdict.PASS),  # better outright
        (2, 2, Verdict.PASS),  # hardly a row differs
        (60, 60, Verdict.INCONCLUSIVE),  # equal, but so many rows differ that a loss may hide
        (40, 32, Verdict.INCONCLUSIVE),  # a loss within the margin
        (50, 38, Verdict.INCONCLUSIVE),  # a loss above the margin that chance explains
        (80, 20, Verdict.FAIL),
    ],
)
def test_not_worse_than_production(worse: int, better: int, verdict: Verdict) -> None:
    finding = gates.not_worse_than_production(SUBJECT, rival(1000, worse, better), SETTINGS)
    assert finding.verdict is verdict
    assert finding.value == pytest.approx((worse - better) / 1000)
    assert finding.limit == 0.01


def test_a_proven_loss_within_the_margin_is_no_failure() -> None:
    finding = gates.not_worse_than_production(SUBJECT, rival(10_000, 90, 10), SETTINGS)
    assert finding.details["harm_p_value"] < 0.001  # it is worse, without doubt
    assert finding.verdict is not Verdict.FAIL  # and still within what was agreed


def test_a_stricter_confidence_never_passes_more() -> None:
    strict = SETTINGS.model_copy(update={"confidence": 0.999})
    for settings, verdict in ((SETTINGS, Verdict.PASS), (strict, Verdict.INCONCLUSIVE)):
        assert gates.accuracy_floor(SUBJECT, share(1000, 170), settings).verdict is verdict
        assert gates.beats_baseline(SUBJECT, rival(1000, 40, 60), settings).verdict is verdict


def test_findings_survive_json() -> None:
    finding = gates.not_worse_than_production(SUBJECT, rival(1000, 60, 60), SETTINGS)
    assert Finding.from_json(finding.to_json()) == finding
