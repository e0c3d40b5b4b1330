"""Units that do not arrive as split."""

from __future__ import annotations

import math

import pytest

from seatrial.stats.sample_ratio import MISMATCH_LEVEL, log_mismatch


def test_one_more_unit_leaves_the_mean_evidence_as_it_is() -> None:
    shares = (0.9, 0.1)
    now = math.exp(float(log_mismatch((95, 3), shares)))
    then = 0.9 * math.exp(float(log_mismatch((96, 3), shares))) + 0.1 * math.exp(float(log_mismatch((95, 4), shares)))
    assert then == pytest.approx(now)


def test_an_empty_arm_is_noticed() -> None:
    assert float(log_mismatch((400, 0), (0.9, 0.1))) > MISMATCH_LEVEL
    assert float(log_mismatch((360, 40), (0.9, 0.1))) < 0


@pytest.mark.parametrize("shares", [(0.5, 0.6), (1.0, 0.0)])
def test_shares_that_are_none_are_refused(shares: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="Shares"):
        log_mismatch((1, 1), shares)
