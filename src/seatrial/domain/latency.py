"""The one ladder of latencies: edges of the histogram, thresholds of a release, and the steps of its tolerance."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["LATENCY_EDGES_S", "LATENCY_LADDER_S", "LATENCY_RUNG_RATIO", "LatencyCounts", "rung_near", "tolerant_s"]

LATENCY_RUNG_RATIO = 1.1
"""How much slower the next rung of the ladder is."""

LATENCY_LADDER_S: Sequence[float] = tuple(float(f"{0.001 * LATENCY_RUNG_RATIO**step:.6g}") for step in range(105))
"""Powers of 1.1 from 1 ms to 20 s, so that a tolerance on latency is a whole number of rungs."""

LATENCY_EDGES_S: Sequence[float] = tuple(sorted({*LATENCY_LADDER_S, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0}))
"""Edges of the latency histogram: the ladder, and the round figures that people put into alerts."""


@dataclass(frozen=True, slots=True)
class LatencyCounts:
    """How long requests of one version took.

    Attributes:
        edges_s: of the buckets, rising.
        counts: requests in each bucket, and one more for those above the last edge.
        over_s: for how long they were counted; 0: that is not known.
    """

    edges_s: tuple[float, ...]
    counts: tuple[int, ...]
    over_s: float = 0.0

    def __post_init__(self) -> None:
        if len(self.counts) != len(self.edges_s) + 1:
            raise ValueError("Each edge has a bucket below it, and one more is above the last.")

    @property
    def requests(self) -> int:
        """All of them."""
        return sum(self.counts)

    def above(self, edge_s: float) -> int:
        """How many took longer than one of the edges.

        Example:
            >>> LatencyCounts((0.1, 0.2), (5, 3, 2)).above(0.1)
            5
        """
        return sum(self.counts[1 + self.edges_s.index(edge_s) :])


def rung_near(latency_s: float) -> float:
    """The rung of the ladder that is nearest to a latency, by ratio.

    Example:
        >>> rung_near(0.04), rung_near(99.0)
        (0.0411448, 20.1762)
    """
    place = bisect_left(LATENCY_LADDER_S, latency_s)
    if place == 0:
        return LATENCY_LADDER_S[0]
    if place == len(LATENCY_LADDER_S):
        return LATENCY_LADDER_S[-1]
    below, above = LATENCY_LADDER_S[place - 1], LATENCY_LADDER_S[place]
    return below if latency_s * latency_s < below * above else above


def tolerant_s(rung_s: float, rungs: int) -> float:
    """The threshold that is so many rungs above another: what the challenger is held against.

    Raises:
        ValueError: the first is no rung, or there are not so many above it.

    Example:
        >>> tolerant_s(0.001, 1)
        0.0011
    """
    place = bisect_left(LATENCY_LADDER_S, rung_s)
    if place == len(LATENCY_LADDER_S) or LATENCY_LADDER_S[place] != rung_s:
        raise ValueError(f"{rung_s} s is no rung of the ladder of latencies.")
    if not 0 <= rungs < len(LATENCY_LADDER_S) - place:
        raise ValueError(f"There are no {rungs} rungs above {rung_s} s.")
    return LATENCY_LADDER_S[place + rungs]
