"""The rate-ratio e-process."""

from __future__ import annotations

import math

import numpy as np
import pytest

from seatrial.stats.rate_ratio import HARM_GRID, ArmEvents, log_harm, log_harm_by_start, log_safe


def test_no_event_is_no_evidence() -> None:
    assert log_harm([ArmEvents(0.1)]) == pytest.approx(0.0, abs=1e-12)
    assert log_safe(ArmEvents(0.1)) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("ratio", [1.0, 0.7])
def test_one_more_event_never_raises_the_mean_evidence_while_the_arms_are_equal(share: float, ratio: float) -> None:
    """Exactly: the mean over the coin of the next event of E is at most E, whatever came before."""
    coin = share * ratio / (share * ratio + 1 - share)
    for challenger, champion in ((0, 0), (3, 10), (40, 20)):
        now = math.exp(log_harm([ArmEvents(share, challenger, champion)]))
        then = coin * math.exp(log_harm([ArmEvents(share, challenger + 1, champion)]))
        then += (1 - coin) * math.exp(log_harm([ArmEvents(share, challenger, champion + 1)]))
        assert then <= now * (1 + 1e-12)


def test_safety_is_evidence_only_below_one_and_a_half_times() -> None:
    coin = 0.5 * 1.5 / (0.5 * 1.5 + 0.5)
    now = math.exp(log_safe(ArmEvents(0.5, 12, 10)))
    then = coin * math.exp(log_safe(ArmEvents(0.5, 13, 10))) + (1 - coin) * math.exp(log_safe(ArmEvents(0.5, 12, 11)))
    assert then == pytest.approx(now)


def test_the_rate_itself_drops_out() -> None:
    """An outage of both arms at their shares says nothing about the challenger."""
    assert log_harm([ArmEvents(0.1, 1000, 9000)]) < 0


def test_the_steps_are_summed_before_the_mean_over_the_grid() -> None:
    steps = [ArmEvents(0.01, 2, 98), ArmEvents(0.05, 9, 120)]
    by_hand = 0.0
    for ratio in HARM_GRID:
        log_ratio = 0.0
        for step in steps:
            w, p = step.share_ratio, step.share_ratio * ratio / (step.share_ratio * ratio + 1 - step.share_ratio)
            log_ratio += step.challenger * math.log(p / w) + step.champion * math.log((1 - p) / (1 - w))
        by_hand += math.exp(log_ratio) / len(HARM_GRID)
    assert math.exp(log_harm(steps)) == pytest.approx(by_hand, abs=1e-12)


def test_many_counters_at_once_are_the_same_as_one_by_one() -> None:
    rng = np.random.default_rng(0)
    challenger, champion, shares = rng.integers(0, 50, (4, 3)), rng.integers(0, 500, (4, 3)), (0.05, 0.1, 0.5)
    together = log_harm_by_start(challenger, champion, shares)
    for row in range(4):
        for start in range(3):
            steps = [ArmEvents(shares[j], int(challenger[row, j]), int(champion[row, j])) for j in range(start, 3)]
            assert together[row, start] == pytest.approx(log_harm(steps), abs=1e-12)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, 1.1])
def test_a_share_that_leaves_an_arm_empty_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="share"):
        ArmEvents(share)


def test_impossible_counts_and_ratios_are_refused() -> None:
    with pytest.raises(ValueError, match="never negative"):
        ArmEvents(0.5, -1, 0)
    with pytest.raises(ValueError, match="positive"):
        log_harm([ArmEvents(0.5, 1, 1)], tolerated_ratio=0.0)
