"""Rare events in experiments."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.stats.rare_events import RARE_GRID, log_difference, ratio_estimate, ratio_interval
from seatrial.stats.rate_ratio import ArmEvents, log_harm


def test_both_directions_are_evidence() -> None:
    assert log_difference([ArmEvents(0.5, 200, 100)]) > 3.0
    assert log_difference([ArmEvents(0.5, 100, 200)]) == pytest.approx(log_difference([ArmEvents(0.5, 200, 100)]))


def test_epochs_with_other_shares_are_summed() -> None:
    """The same events under a share that explains them are no evidence."""
    assert log_difference([ArmEvents(0.5, 50, 50), ArmEvents(0.9, 900, 100)]) < 0
    assert log_difference([ArmEvents(0.5, 50, 50), ArmEvents(0.5, 900, 100)]) > 3.0


def test_the_ends_without_events() -> None:
    assert ratio_estimate([]) is None
    assert ratio_interval([ArmEvents(0.5)]) == (0.0, math.inf)
    assert (ratio_estimate([ArmEvents(0.5, 0, 5)]), ratio_estimate([ArmEvents(0.5, 5, 0)])) == (0.0, math.inf)
    low, high = ratio_interval([ArmEvents(0.5, 0, 200)])
    assert low == 0.0
    assert 0 < high < 1
    mirrored = ratio_interval([ArmEvents(0.5, 200, 0)])
    assert mirrored[0] == pytest.approx(1 / high)
    assert mirrored[1] == math.inf


def test_the_estimate_is_the_ratio_of_the_rates_whatever_the_shares() -> None:
    epochs = [ArmEvents(0.5, 200, 100), ArmEvents(0.1, 200, 900)]  # twice the rate under both shares
    assert ratio_estimate(epochs) == pytest.approx(2.0)


EPOCHS = st.lists(
    st.builds(ArmEvents, st.floats(0.02, 0.98), st.integers(0, 3000), st.integers(0, 3000)), min_size=1, max_size=3
)


@given(EPOCHS, st.floats(0.05, 20.0), st.sampled_from([0.05, 0.01]))
def test_the_interval_holds_the_ratios_that_the_evidence_does_not_refute(
    epochs: list[ArmEvents], ratio: float, alpha: float
) -> None:
    low, high = ratio_interval(epochs, alpha)
    log_e, level = log_harm(epochs, ratio, RARE_GRID), -math.log(alpha)
    if abs(log_e - level) > 1e-6:
        assert (low <= ratio <= high) == (log_e < level)
