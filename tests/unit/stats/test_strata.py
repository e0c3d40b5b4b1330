"""Differences over strata."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.stats.confidence_sequence import Mean, difference
from seatrial.stats.strata import contrast

MEANS = st.builds(Mean, st.integers(500, 100_000), st.floats(-10, 10), st.floats(0.01, 10))


@given(MEANS, MEANS, st.sampled_from([0.05, 0.025]))
def test_one_stratum_is_the_plain_difference(control: Mean, treatment: Mean, alpha: float) -> None:
    plain, found = difference(control, treatment, alpha), contrast([(control, treatment)]).interval(alpha)
    assert (found.low, found.high) == pytest.approx((plain.low, plain.high))


@given(st.lists(st.tuples(MEANS, MEANS), min_size=1, max_size=4), st.sampled_from([0.05, 0.025]))
def test_the_evidence_reaches_its_level_when_the_interval_leaves_0(
    strata: list[tuple[Mean, Mean]], alpha: float
) -> None:
    found = contrast(strata)
    if abs(found.log_e(alpha) + math.log(alpha)) > 1e-6:
        assert found.interval(alpha).excludes_zero == (found.log_e(alpha) >= -math.log(alpha))


def test_arms_that_grew_on_another_day_are_not_called_different() -> None:
    """Pooled over both epochs, the treatment would seem better by 0.28."""
    good_day, bad_day = (Mean(1000, 0.5, 0.25), Mean(9000, 0.5, 0.25)), (Mean(9000, 0.1, 0.09), Mean(1000, 0.1, 0.09))
    assert contrast([good_day, bad_day]).value == 0
    assert not contrast([good_day, bad_day]).interval().excludes_zero


def test_units_that_are_all_alike() -> None:
    assert contrast([(Mean(500, 1.0, 0.0), Mean(500, 2.0, 0.0))]).log_e() == math.inf
    assert contrast([(Mean(500, 1.0, 0.0), Mean(500, 1.0, 0.0))]).log_e() < 0


def test_there_is_no_difference_of_nothing() -> None:
    with pytest.raises(ValueError, match="No units"):
        contrast([])
