"""The Bernoulli risk e-process."""

from __future__ import annotations

import math

import pytest

from seatrial.stats.bernoulli_risk import DISAGREEMENT_GRID, LABEL_GRID, log_risk


@pytest.mark.parametrize("grid", [DISAGREEMENT_GRID, LABEL_GRID])
def test_one_more_case_leaves_the_mean_evidence_at_the_allowed_share(grid: tuple[float, ...]) -> None:
    now = math.exp(float(log_risk(7, 60, 0.1, grid)))
    then = 0.1 * math.exp(float(log_risk(8, 61, 0.1, grid))) + 0.9 * math.exp(float(log_risk(7, 61, 0.1, grid)))
    assert then == pytest.approx(now)


def test_a_multiple_above_everything_is_cut() -> None:
    assert math.isfinite(float(log_risk(9, 10, 0.9, LABEL_GRID)))


@pytest.mark.parametrize(("bad", "cases", "allowed"), [(2, 1, 0.1), (-1, 1, 0.1), (0, 1, 0.0), (0, 1, 0.999)])
def test_the_impossible_is_refused(bad: int, cases: int, allowed: float) -> None:
    with pytest.raises(ValueError, match=r"cases|share"):
        log_risk(bad, cases, allowed, LABEL_GRID)
