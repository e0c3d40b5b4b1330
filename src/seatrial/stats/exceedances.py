"""Is the challenger slower? Exceedances of the champion's frozen quantiles, through the rate-ratio e-process.

A request slower than a threshold is an event. The thresholds are quantiles of the champion's latencies before the
release, on the edges of the histogram, and stay as they are; validity never hangs on them, only power. A tolerance
is applied by holding the challenger against a threshold so many edges higher: exact for a challenger slower by it.

Source: the events of `rate_ratio`; quantile e-processes are found faster here than bands on the whole distribution
(S. Howard and A. Ramdas, "Sequential estimation of quantiles with applications to A/B testing and best-arm
identification", Bernoulli 28 (2022), arXiv 1906.09712), see docs/statistics.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from seatrial.stats.evidence import FloatArray, log_mean_exp
from seatrial.stats.rate_ratio import HARM_GRID, log_harm_by_start

__all__ = ["QUANTILES", "frozen_thresholds", "histogram_quantile", "log_slower_by_start", "share_above"]

QUANTILES = (0.5, 0.75, 0.9, 0.95, 0.99)


def histogram_quantile(edges: Sequence[float], counts: Sequence[int], quantile: float) -> float:
    """The quantile of a histogram, linear within its bucket; the last edge where it lies beyond.

    Args:
        edges: upper edges of the buckets, rising.
        counts: in each bucket, and last those above all edges.
        quantile: between 0 and 1.

    Raises:
        ValueError: there is nothing in it, or lengths disagree.

    Example:
        >>> histogram_quantile([1.0, 2.0], [10, 10, 0], 0.75)
        1.5
    """
    if len(counts) != len(edges) + 1 or min(counts) < 0 or not sum(counts):
        raise ValueError("A histogram has one count for each edge and one above them, and something in it.")
    wanted, below = quantile * sum(counts), 0
    for place, inside in enumerate(counts[:-1]):
        if inside and below + inside >= wanted:
            lower = edges[place - 1] if place else 0.0
            return lower + (edges[place] - lower) * (wanted - below) / inside
        below += inside
    return edges[-1]


def share_above(edges: Sequence[float], counts: Sequence[int], value: float) -> float:
    """The share of a histogram that lies above a value, linear within its bucket.

    Example:
        >>> share_above([1.0, 2.0], [10, 10, 0], 1.5)
        0.25
    """
    shares = np.concatenate([[1.0], 1 - np.cumsum(counts[:-1]) / sum(counts)])
    return float(np.interp(value, [0.0, *edges], shares))


def frozen_thresholds(
    edges: Sequence[float],
    counts: Sequence[int],
    near: Callable[[float], float],
    quantiles: Sequence[float] = QUANTILES,
) -> tuple[float, ...]:
    """The thresholds of a release: the champion's quantiles, each moved to the nearest edge that may be one.

    Args:
        edges: as in `histogram_quantile`.
        counts: as in `histogram_quantile`.
        near: gives that edge.
        quantiles: two that fall on one edge give one threshold.

    Example:
        >>> frozen_thresholds([1.0, 2.0, 4.0], [10, 10, 20, 0], lambda x: 2.0 if x < 3.0 else 4.0)
        (2.0, 4.0)
    """
    return tuple(sorted({near(histogram_quantile(edges, counts, quantile)) for quantile in quantiles}))


def log_slower_by_start(
    challenger: npt.ArrayLike, champion: npt.ArrayLike, shares: Sequence[float], grid: Sequence[float] = HARM_GRID
) -> FloatArray:
    """Log evidence that the challenger is slower, for the process begun with each step: the mean over thresholds.

    Args:
        challenger: (..., thresholds, steps) requests over its thresholds.
        champion: (..., thresholds, steps) requests over its own.
        shares: (steps,) the challenger's share.
        grid: as in `rate_ratio`.

    Returns:
        (..., steps) log E.

    Example:
        >>> bool(log_slower_by_start([[60], [30]], [[20], [5]], (0.5,))[0] > 3.0)
        True
    """
    return log_mean_exp(log_harm_by_start(challenger, champion, shares, 1.0, grid), axis=-2)
