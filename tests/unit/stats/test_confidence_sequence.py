"""Confidence sequences for means, adjusted means and ratios."""

from __future__ import annotations

import numpy as np
import pytest

from seatrial.stats.confidence_sequence import Interval, Mean, Sums, adjusted_means, difference, half_width, may_look
from seatrial.stats.evidence import FloatArray


def sums_of(y: FloatArray, x: FloatArray) -> Sums:
    return Sums(len(y), y.sum(), (y * y).sum(), x.sum(), (x * x).sum(), (x * y).sum())


def test_sums_are_what_numpy_says() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(5, 1, 500), rng.normal(3, 2, 500)
    mean = sums_of(y, x).mean()
    assert (mean.value, mean.variance) == pytest.approx((y.mean(), y.var()))
    ratio = sums_of(y, x).ratio()
    expected = ((y - x * y.mean() / x.mean()) ** 2).mean() / x.mean() ** 2
    assert (ratio.value, ratio.variance) == pytest.approx((y.mean() / x.mean(), expected))


def test_equal_arms_have_the_same_width_whatever_form_is_used() -> None:
    """In units of one arm with 5,000 as the best number, as others write it."""
    per_arm, variance = 3000, 0.16 + 0.17
    rho2 = (-2 * np.log(0.05) + np.log(-2 * np.log(0.05) + 1)) / 5000
    spread = 2 * (per_arm * rho2 + 1) / (per_arm**2 * rho2) * np.log(np.sqrt(per_arm * rho2 + 1) / 0.05)
    assert float(half_width(per_arm, 0.16, per_arm, 0.17)) == pytest.approx(np.sqrt(variance * spread))


def test_what_was_foretold_is_taken_out() -> None:
    rng = np.random.default_rng(1)
    before = rng.normal(10, 3, (2, 5000))
    after = before + rng.normal(0, 1, (2, 5000)) + np.array([[0.0], [0.15]])
    arms = [sums_of(after[arm], before[arm]) for arm in range(2)]
    plain, adjusted = [arm.mean() for arm in arms], adjusted_means(*arms)
    assert adjusted[0].variance < 0.2 * plain[0].variance
    assert adjusted[1].value - adjusted[0].value == pytest.approx(0.15, abs=0.06)
    assert not difference(plain[0], plain[1]).excludes_zero
    assert difference(*adjusted).excludes_zero


def test_a_companion_that_says_nothing_changes_nothing() -> None:
    control, treatment = Sums(10, 5.0, 5.0), Sums(10, 6.0, 6.0)
    assert adjusted_means(control, treatment) == (control.mean(), treatment.mean())


def test_what_an_interval_says_of_a_guardrail() -> None:
    assert Interval(-0.03, -0.01).harm
    assert not Interval(-0.03, 0.01).harm
    assert Interval(-0.03, 0.01).non_inferior(0.04)
    assert not Interval(-0.03, 0.01).non_inferior(0.03)
    assert Interval(0.1, 0.2).excludes_zero
    assert Interval(0.1, 0.3).value == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("units", "value", "equal", "binary", "allowed"),
    [
        ((499, 499), 0.2, True, True, False),
        ((500, 500), 0.2, True, True, True),
        ((1999, 20000), 0.5, False, True, False),
        ((2000, 20000), 0.5, False, True, True),
        ((4999, 50000), 0.01, False, True, False),  # sd is ten times the mean
        ((5000, 50000), 0.01, False, True, True),
        ((600, 600), 0.99, True, True, False),  # six that are none
        ((600, 600), 0.99, True, False, True),
    ],
)
def test_the_first_look(units: tuple[int, int], value: float, equal: bool, binary: bool, allowed: bool) -> None:
    arms = [Mean(number, value, value * (1 - value)) for number in units]
    assert may_look(*arms, equal=equal, binary=binary) is allowed


def test_there_is_no_mean_of_nothing() -> None:
    with pytest.raises(ValueError, match="No units"):
        Sums().mean()
    with pytest.raises(ValueError, match="denominator"):
        Sums().plus(1.0).ratio()
