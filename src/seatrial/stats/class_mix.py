"""Does the challenger answer other classes than the champion? Each class as an event, two-sided.

Source: the rate-ratio e-process of `rate_ratio` (Lindon and Malek, NeurIPS 2022), a mixture over both directions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy.typing as npt

from seatrial.stats.evidence import FloatArray, log_mean_exp
from seatrial.stats.rate_ratio import log_harm_by_start

__all__ = ["CLASS_GRID", "log_other_mix_by_start"]

CLASS_GRID = (1.05, 1.15, 1.4, 1 / 1.05, 1 / 1.15, 1 / 1.4)


def log_other_mix_by_start(challenger: npt.ArrayLike, champion: npt.ArrayLike, shares: Sequence[float]) -> FloatArray:
    """Log evidence that the classes are answered at other rates, for the process begun with each step.

    Args:
        challenger: (..., classes, steps) answers.
        champion: (..., classes, steps) answers.
        shares: (steps,) the challenger's share.

    Returns:
        (..., steps) log E, the mean over the classes.

    Example:
        >>> log_other_mix_by_start([[70]], [[500]], (0.1,)).round(9).tolist()
        [0.442727976]
    """
    return log_mean_exp(log_harm_by_start(challenger, champion, shares, 1.0, CLASS_GRID), axis=-2)
