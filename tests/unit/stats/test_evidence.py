"""What all e-processes share."""

from __future__ import annotations

import math

import numpy as np
import pytest

from seatrial.stats.evidence import alarm_level, log_mean_exp, log_start_mean, log_weighted_mean, shared_out


def test_means_of_logs_do_not_overflow() -> None:
    assert float(log_mean_exp([5000.0, 5000.0])) == pytest.approx(5000.0)
    assert float(log_weighted_mean([5000.0, -5000.0], [0.5, 0.5])) == pytest.approx(5000.0 + math.log(0.5))
    assert float(log_start_mean([5000.0], 4)) == pytest.approx(5000.0 - math.log(4))


def test_a_process_not_yet_begun_is_worth_1_and_the_denominator_stands_still() -> None:
    """A denominator of the steps begun would let the mean jump up at a new step whenever it is below 1."""
    before, after = float(log_start_mean([math.log(0.5)], 4)), float(log_start_mean([math.log(0.5), 0.0], 4))
    assert before == pytest.approx(after)
    assert math.exp(after) == pytest.approx((0.5 + 3) / 4)


@pytest.mark.parametrize("weights", [[0.5, 0.6], [1.0, 0.0], [1.5, -0.5]])
def test_weights_that_are_none_are_refused(weights: list[float]) -> None:
    with pytest.raises(ValueError, match="Weights"):
        log_weighted_mean([0.0, 0.0], weights)


def test_more_processes_than_planned_are_refused() -> None:
    with pytest.raises(ValueError, match="planned"):
        log_start_mean([0.0, 0.0], 1)


@pytest.mark.parametrize("alpha", [0.0, 1.0, -1.0])
def test_an_impossible_alpha_is_refused(alpha: float) -> None:
    with pytest.raises(ValueError, match="alpha"):
        alarm_level(alpha)


def test_missing_weights_are_shared_out_in_proportion() -> None:
    assert shared_out([0.4, 0.4, 0.1]) == pytest.approx((4 / 9, 4 / 9, 1 / 9))


def test_any_shape_is_averaged_along_its_axis() -> None:
    logs = np.log(np.arange(1.0, 25.0).reshape(2, 3, 4))
    assert np.exp(log_mean_exp(logs, axis=1)) == pytest.approx(np.exp(logs).mean(axis=1))
