"""Is the share of bad cases above what is allowed? Valid at every look.

A mixture of likelihood ratios over multiples of the allowed share: disagreement of mirrored requests, and errors among
labels that arrive late.

Source: I. Timans, R. Verma, E. Nalisnick and C. Naesseth, "On continuous monitoring of risk violations under unknown
shift", 2025, arXiv 2506.16416; the mixture is Robbins's (1970).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from seatrial.stats.evidence import FloatArray, log_mean_exp

__all__ = ["DISAGREEMENT_GRID", "LABEL_GRID", "log_risk", "log_risk_by_start"]

DISAGREEMENT_GRID = (1.25, 1.5, 2.0, 3.0, 5.0)
LABEL_GRID = (1.1, 1.25, 1.5, 2.0, 3.0)
_HIGHEST = 0.999


def log_risk(bad: npt.ArrayLike, cases: npt.ArrayLike, allowed_ratio: float, grid: Sequence[float]) -> FloatArray:
    """Log evidence that the share of bad cases is above the allowed one.

    Args:
        bad: (...) bad cases.
        cases: (...) all cases.
        allowed_ratio: above 0, below 0.999.
        grid: multiples of it to seek among.

    Raises:
        ValueError: counts or share are impossible.

    Example:
        >>> round(float(log_risk(12, 100, 0.05, DISAGREEMENT_GRID)), 9)
        2.799263475
        >>> round(float(log_risk(40, 260, 0.12, LABEL_GRID)), 9)
        0.450833137
    """
    events, trials = np.asarray(bad, np.float64), np.asarray(cases, np.float64)
    if (events < 0).any() or (events > trials).any():
        raise ValueError("Bad cases are some of all cases.")
    if not 0 < allowed_ratio < _HIGHEST:
        raise ValueError(f"An allowed share lies between 0 and {_HIGHEST}, not {allowed_ratio}.")
    shares = np.minimum(allowed_ratio * np.asarray(grid, np.float64), _HIGHEST)
    worse, better = np.log(shares / allowed_ratio), np.log((1 - shares) / (1 - allowed_ratio))
    return log_mean_exp(events[..., np.newaxis] * worse + (trials - events)[..., np.newaxis] * better)


def log_risk_by_start(
    bad: npt.ArrayLike, cases: npt.ArrayLike, allowed_ratio: float, grid: Sequence[float]
) -> FloatArray:
    """The same for the process begun with each step.

    Args:
        bad: (..., steps) in each step.
        cases: (..., steps) in each step.
        allowed_ratio: as in `log_risk`.
        grid: as in `log_risk`.

    Returns:
        (..., steps) log E; the entry of a step rests on that step and all later ones.

    Example:
        >>> log_risk_by_start([2, 10], [50, 50], 0.05, DISAGREEMENT_GRID).round(3).tolist()
        [2.799, 5.767]
    """
    return log_risk(_from_the_end(bad), _from_the_end(cases), allowed_ratio, grid)


def _from_the_end(counts: npt.ArrayLike) -> FloatArray:
    """Sums over each step and all later ones."""
    sums: FloatArray = np.cumsum(np.asarray(counts, np.float64)[..., ::-1], axis=-1)[..., ::-1]
    return sums
