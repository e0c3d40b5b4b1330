"""Calibration error on constructed cases; the temperature recovers a known one."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from seatrial.domain.inference import IntArray
from seatrial.evaluation.calibration import (
    TEMPERATURES,
    calibrate,
    chance_error,
    expected_calibration_error,
    fit_temperature,
    reliability_bins,
)
from seatrial.evaluation.metrics import log_loss
from seatrial.text.labels import softmax


def logits_with_confidence(confidence: float, rows: int) -> npt.NDArray[np.float64]:
    """(rows, 2) logits whose second label has that probability."""
    return np.tile([0.0, np.log(confidence / (1 - confidence))], (rows, 1))


def honest(rows: int, seed: int = 0, labels: int = 3) -> tuple[npt.NDArray[np.float64], IntArray]:
    """Logits (rows, labels), and labels drawn from exactly the probabilities they claim."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(scale=2.0, size=(rows, labels))
    draws = rng.random((rows, 1))
    return logits, (softmax(logits).cumsum(axis=1) < draws).sum(axis=1).clip(max=labels - 1)


def test_error_is_zero_where_confidence_is_accuracy() -> None:
    truth = np.array([1] * 8 + [0] * 2)
    assert expected_calibration_error(reliability_bins(logits_with_confidence(0.8, 10), truth)) == pytest.approx(
        0.0, abs=1e-6
    )


def test_error_is_the_gap_weighted_by_rows() -> None:
    logits = np.concatenate([logits_with_confidence(0.9, 10), logits_with_confidence(0.6, 30)])
    truth = np.array([1] * 5 + [0] * 5 + [1] * 30)
    # Ten rows claim 0.9 and reach 0.5, thirty claim 0.6 and reach 1.
    bins = reliability_bins(logits, truth)
    assert [found.rows for found in bins] == [30, 10]
    assert expected_calibration_error(bins) == pytest.approx((10 * 0.4 + 30 * 0.4) / 40)


def test_bins_are_right_closed_and_leave_empty_ones_out() -> None:
    bins = reliability_bins(np.array([[0.0, 0.0], [0.0, 900.0]]), np.array([0, 1]))
    assert [(round(b.low, 4), round(b.high, 4)) for b in bins] == [(0.4667, 0.5333), (0.9333, 1.0)]
    assert sum(found.rows for found in bins) == 2


def test_no_rows_have_no_error_and_boundless_chance() -> None:
    assert expected_calibration_error([]) == 0.0
    assert chance_error([], 0.95) == 1.0


def test_chance_error_holds_for_honest_models_and_shrinks_with_rows() -> None:
    for rows in (50, 2000):
        exceeded = 0
        for seed in range(100):
            bins = reliability_bins(*honest(rows, seed))
            exceeded += expected_calibration_error(bins) > chance_error(bins, 0.95)
        assert exceeded <= 5
    few, many = (chance_error(reliability_bins(*honest(rows)), 0.95) for rows in (50, 5000))
    assert many < few / 8


@pytest.mark.parametrize("temperature", [0.4, 1.0, 2.5])
def test_the_fit_recovers_a_known_temperature(temperature: float) -> None:
    logits, truth = honest(20_000)
    assert fit_temperature(logits * temperature, truth) == pytest.approx(temperature, rel=0.03)


def test_the_fit_is_where_log_loss_is_least() -> None:
    logits, truth = honest(500)
    fitted = fit_temperature(3 * logits, truth)
    best = log_loss(3 * logits, truth, fitted)
    assert best < log_loss(3 * logits, truth, fitted * 1.02)
    assert best < log_loss(3 * logits, truth, fitted / 1.02)


def test_the_fit_stays_in_range_where_no_temperature_is_best() -> None:
    truth = np.array([0, 1, 0, 1])
    logits = 4.0 * np.eye(2)[truth]
    assert fit_temperature(logits, truth) == TEMPERATURES[0]  # all right: ever surer would fit ever better
    assert fit_temperature(-logits, truth) == TEMPERATURES[1]  # all wrong: only indifference helps
    assert fit_temperature(np.zeros((0, 2)), np.zeros(0, np.int64)) == 1.0


def test_calibrate_shows_before_and_after_and_leaves_answers_alone() -> None:
    logits, truth = honest(5000)
    found = calibrate((3 * logits).astype(np.float32), truth, temperature=3.0)
    assert found.calibrated_ece < 0.02 < found.ece
    assert found.calibrated_log_loss < found.log_loss
    right = [round(sum(b.rows * b.accuracy for b in bins)) for bins in (found.bins, found.calibrated_bins)]
    assert right[0] == right[1]
