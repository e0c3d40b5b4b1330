"""Two classifiers on the same rows: exact p-values, and a bound on the loss that holds."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from seatrial.stats.paired import PairedCounts, harm_p_value, loss_upper_bound, superiority_p_value


@pytest.mark.parametrize(("worse", "better"), [(0, 1), (1, 0), (5, 5), (3, 12), (12, 3), (40, 60), (500, 400)])
def test_p_values_are_those_of_the_exact_binomial_test(worse: int, better: int) -> None:
    from scipy.stats import binomtest

    counts = PairedCounts(2000, worse, better)
    discordant = worse + better
    exact = binomtest(better, discordant, 0.5, alternative="greater").pvalue
    assert superiority_p_value(counts) == pytest.approx(exact, rel=1e-9)
    exact = binomtest(worse, discordant, 0.5, alternative="greater").pvalue
    assert harm_p_value(counts) == pytest.approx(exact, rel=1e-9)


def test_without_a_difference_nothing_is_proven() -> None:
    for rows in (0, 10):
        assert superiority_p_value(PairedCounts(rows, 0, 0)) == 1.0
        assert harm_p_value(PairedCounts(rows, 0, 0)) == 1.0


def test_p_values_are_small_as_often_as_they_promise() -> None:
    """Under no difference, p <= 0.05 in at most 5 % of cases: summed over every outcome."""
    from scipy.stats import binom

    for discordant in (5, 20, 101):
        outcomes = np.arange(discordant + 1)
        weights = binom.pmf(outcomes, discordant, 0.5)
        small = [superiority_p_value(PairedCounts(200, discordant - int(b), int(b))) <= 0.05 for b in outcomes]
        assert 0.01 < weights[small].sum() <= 0.05


TRUTHS = [  # share of rows only the reference gets right, share only the challenger gets right
    (0.0, 0.0),
    (0.005, 0.0),
    (0.0, 0.005),
    (0.01, 0.01),
    (0.03, 0.02),
    (0.02, 0.03),
    (0.1, 0.0),
    (0.0, 0.1),
    (0.3, 0.1),
    (0.2, 0.2),
    (0.5, 0.5),
    (1.0, 0.0),
    (0.0, 1.0),
]


@pytest.mark.parametrize("rows", [20, 300, 2000])
@pytest.mark.parametrize(("worse_ratio", "better_ratio"), TRUTHS)
def test_the_bound_on_the_loss_holds(worse_ratio: float, better_ratio: float, rows: int) -> None:
    draws = np.random.default_rng(7).multinomial(
        rows, [worse_ratio, better_ratio, 1 - worse_ratio - better_ratio], 1000
    )
    seen, times = np.unique(draws, axis=0, return_counts=True)
    for confidence in (0.8, 0.95):
        bounds = [loss_upper_bound(PairedCounts(rows, int(w), int(b)), confidence) for w, b, _ in seen]
        held = times[np.array(bounds) >= worse_ratio - better_ratio - 1e-12].sum() / 1000
        assert held >= confidence - 2.6 * np.sqrt(confidence * (1 - confidence) / 1000)  # 0.5 % of chance


def test_the_bound_is_not_so_wide_that_it_says_nothing() -> None:
    identical = loss_upper_bound(PairedCounts(2000, 0, 0))
    assert 0 < identical < 0.002
    assert loss_upper_bound(PairedCounts(2000, 20, 20)) < 0.012
    assert loss_upper_bound(PairedCounts(2000, 5, 60)) < 0  # proven better


def test_the_bound_is_never_below_what_was_seen() -> None:
    for rows, worse, better in itertools.product((30, 100), range(0, 30, 3), range(0, 30, 3)):
        if worse + better <= rows:
            counts = PairedCounts(rows, worse, better)
            assert -1 <= counts.loss_ratio <= loss_upper_bound(counts) <= 1


def test_edges() -> None:
    nothing = PairedCounts(0, 0, 0)
    assert (nothing.loss_ratio, loss_upper_bound(nothing)) == (0.0, 1.0)
    assert loss_upper_bound(PairedCounts(1, 0, 0)) == pytest.approx(0.975)
    all_worse = PairedCounts(50, worse=50, better=0)
    assert (all_worse.loss_ratio, loss_upper_bound(all_worse)) == (1.0, 1.0)
    all_better = PairedCounts(50, worse=0, better=50)
    assert all_better.loss_ratio == -1.0
    assert -1 < loss_upper_bound(all_better) < -0.7


def test_counts_of_arrays() -> None:
    truth = np.array([0, 0, 0, 1, 1, 1])
    challenger = np.array([0, 1, 1, 1, 0, 1])
    reference = np.array([0, 0, 1, 1, 1, 0])
    assert PairedCounts.of(truth, challenger, reference) == PairedCounts(6, worse=2, better=1)
    none = np.zeros(0, np.int64)
    assert PairedCounts.of(none, none, none) == PairedCounts(0, 0, 0)


def test_a_third_answer_is_wrong_on_both_sides() -> None:
    assert PairedCounts.of(np.array([0]), np.array([1]), np.array([2])) == PairedCounts(1, 0, 0)


def test_arrays_of_different_length() -> None:
    with pytest.raises(ValueError, match="one label for each row"):
        PairedCounts.of(np.zeros(3, np.int64), np.zeros(3, np.int64), np.zeros(2, np.int64))


@pytest.mark.parametrize(("rows", "worse", "better"), [(10, -1, 0), (10, 0, -1), (10, 6, 5), (0, 1, 0), (-1, 0, 0)])
def test_impossible_counts(rows: int, worse: int, better: int) -> None:
    with pytest.raises(ValueError, match="is impossible"):
        PairedCounts(rows, worse, better)


@pytest.mark.parametrize("confidence", [0.0, 1.0, -0.5, 1.5, float("nan")])
def test_impossible_confidence(confidence: float) -> None:
    with pytest.raises(ValueError, match="A confidence lies between 0 and 1"):
        loss_upper_bound(PairedCounts(10, 1, 1), confidence)
