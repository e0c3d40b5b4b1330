"""Exact bounds: the same figures as scipy's, and the coverage they promise."""

from __future__ import annotations

import numpy as np
import pytest

from seatrial.stats import clopper_pearson

COUNTS = [(0, 1), (1, 1), (0, 30), (1, 30), (15, 30), (29, 30), (30, 30), (3, 1000), (400, 1000), (7, 100_000)]


@pytest.mark.parametrize(("events", "trials"), COUNTS)
@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.999])
def test_the_bounds_are_those_of_scipy(events: int, trials: int, confidence: float) -> None:
    from scipy.stats import binomtest

    def exact(alternative: str) -> tuple[float, float]:
        interval = binomtest(events, trials, alternative=alternative).proportion_ci(confidence, "exact")
        return interval.low, interval.high

    interval = clopper_pearson.interval(events, trials, confidence)
    assert interval == pytest.approx(exact("two-sided"), rel=1e-9)
    assert clopper_pearson.upper_bound(events, trials, confidence) == pytest.approx(exact("less")[1], rel=1e-9)
    assert clopper_pearson.lower_bound(events, trials, confidence) == pytest.approx(exact("greater")[0], rel=1e-9)


@pytest.mark.parametrize("confidence", [0.8, 0.95])
@pytest.mark.parametrize("trials", [1, 10, 137])
@pytest.mark.parametrize("share", [0.001, 0.02, 0.3, 0.5, 0.97])
def test_the_bounds_hold_as_often_as_they_promise(share: float, trials: int, confidence: float) -> None:
    """Summed over every outcome by its probability: no luck in it."""
    from scipy.stats import binom

    outcomes = range(trials + 1)
    weights = binom.pmf(outcomes, trials, share)
    below = [share <= clopper_pearson.upper_bound(k, trials, confidence) for k in outcomes]
    above = [share >= clopper_pearson.lower_bound(k, trials, confidence) for k in outcomes]
    within = [low <= share <= high for low, high in (clopper_pearson.interval(k, trials, confidence) for k in outcomes)]
    for held in (below, above, within):
        assert weights[held].sum() >= confidence - 1e-9


def test_the_bounds_hold_in_a_simulation() -> None:
    rng = np.random.default_rng(20)
    draws = rng.binomial(400, 0.02, 4000)
    held = np.mean([clopper_pearson.upper_bound(int(k), 400) >= 0.02 for k in draws])
    assert 0.95 <= held < 0.99  # exact, and not so wide that it says nothing


def test_the_rule_of_three() -> None:
    assert clopper_pearson.upper_bound(0, 1000) == pytest.approx(3 / 1000, rel=0.01)


def test_a_small_lower_bound_keeps_its_digits() -> None:
    """One less an upper bound near one would lose them all."""
    assert clopper_pearson.lower_bound(1, 10**12, 0.95) == pytest.approx(-np.log(0.95) / 10**12, rel=1e-6)


def test_no_trials_say_nothing() -> None:
    assert clopper_pearson.interval(0, 0) == (0.0, 1.0)
    assert clopper_pearson.upper_bound(0, 0) == 1.0
    assert clopper_pearson.lower_bound(0, 0) == 0.0


def test_more_confidence_is_wider() -> None:
    uppers = [clopper_pearson.upper_bound(3, 100, confidence) for confidence in (0.5, 0.9, 0.95, 0.99)]
    lowers = [clopper_pearson.lower_bound(3, 100, confidence) for confidence in (0.5, 0.9, 0.95, 0.99)]
    assert uppers == sorted(uppers)
    assert lowers == sorted(lowers, reverse=True)
    assert len({*uppers, *lowers}) == 8


@pytest.mark.parametrize(("events", "trials"), [(-1, 10), (11, 10), (1, 0), (0, -1)])
def test_impossible_counts(events: int, trials: int) -> None:
    for bound in (clopper_pearson.upper_bound, clopper_pearson.lower_bound, clopper_pearson.interval):
        with pytest.raises(ValueError, match="is impossible"):
            bound(events, trials)


@pytest.mark.parametrize("confidence", [0.0, 1.0, -0.5, 1.5, float("nan")])
def test_impossible_confidence(confidence: float) -> None:
    for bound in (clopper_pearson.upper_bound, clopper_pearson.lower_bound, clopper_pearson.interval):
        with pytest.raises(ValueError, match="A confidence lies between 0 and 1"):
            bound(1, 10, confidence)
