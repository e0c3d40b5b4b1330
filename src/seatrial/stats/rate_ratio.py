"""Is an event more frequent in one arm than its share of the traffic explains? Valid at every look.

Given that an event happened, it came from the challenger with probability w, its share of the traffic, while the arms
are equal; with `p(r) = w r / (w r + 1 - w)` if its rate is r times the champion's. That coin is tested with a mixture
of likelihood ratios over a grid of r. The rate itself drops out, so an outage of both arms is no evidence.

Source: M. Lindon and A. Malek, "Anytime-valid inference for multinomial count data", NeurIPS 2022, arXiv 2011.03567;
M. Lindon, C. Sanden and V. Shirikian, "Rapid regression detection in software deployments through sequential
testing", KDD 2022, arXiv 2205.14762.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from seatrial.stats.evidence import FloatArray, log_mean_exp

__all__ = ["HARM_GRID", "SAFE_GRID", "SAFE_RATIO", "ArmEvents", "log_harm", "log_harm_by_start", "log_safe"]

HARM_GRID = (1.1, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0)
"""Ratios, as multiples of the tolerated one, that harm is sought among."""
SAFE_RATIO = 1.5
"""A step is safe when a ratio so far above the tolerated one is refuted."""
SAFE_GRID = (0.4, 0.55, 0.7, 0.85)


@dataclass(frozen=True, slots=True)
class ArmEvents:
    """Events in both arms while the split stood still: a step of a release, or an epoch of an experiment.

    Attributes:
        share_ratio: the configured share of the challenger, above 0 and below 1.
        challenger: events there.
        champion: events there.
    """

    share_ratio: float
    challenger: int = 0
    champion: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.share_ratio < 1:
            raise ValueError(f"A share of {self.share_ratio} leaves one arm empty: nothing can be compared.")
        if min(self.challenger, self.champion) < 0:
            raise ValueError(f"{self.challenger} and {self.champion} events: a count is never negative.")

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dictionary."""
        return {"share_ratio": self.share_ratio, "challenger": self.challenger, "champion": self.champion}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> ArmEvents:
        """What `to_json` wrote.

        Example:
            >>> events = ArmEvents(0.5, 3, 4)
            >>> ArmEvents.from_json(events.to_json()) == events
            True
        """
        return cls(float(document["share_ratio"]), int(document["challenger"]), int(document["champion"]))


def log_harm(steps: Sequence[ArmEvents], tolerated_ratio: float = 1.0, grid: Sequence[float] = HARM_GRID) -> float:
    """Log evidence of the process begun with the first of the steps: rate above `tolerated_ratio` times the champion's.

    Example:
        >>> round(log_harm([ArmEvents(0.01, 2, 98), ArmEvents(0.05, 9, 120)]), 9)
        -0.01921808
        >>> round(log_harm([ArmEvents(0.5, 40, 10)]), 1)  # alarm at 3.0 for alpha 0.05
        8.2
    """
    challenger, champion = [step.challenger for step in steps], [step.champion for step in steps]
    shares = tuple(step.share_ratio for step in steps)
    return float(log_harm_by_start(challenger, champion, shares, tolerated_ratio, tuple(grid))[..., 0])


def log_harm_by_start(
    challenger: npt.ArrayLike,
    champion: npt.ArrayLike,
    shares: Sequence[float],
    tolerated_ratio: float = 1.0,
    grid: Sequence[float] = HARM_GRID,
) -> FloatArray:
    """The same for many counters at once, and for a process begun with each of the steps.

    Args:
        challenger: (..., steps) events.
        champion: (..., steps) events.
        shares: (steps,) the challenger's share in each step.
        tolerated_ratio: ratio of the rates that is no harm.
        grid: ratios, in multiples of the tolerated one, to seek among, all with the same weight.

    Returns:
        (..., steps) log E; the entry of a step rests on that step and all later ones.

    Example:
        >>> log_harm_by_start([2, 9], [98, 120], (0.01, 0.05)).round(9).tolist()
        [-0.01921808, -0.26585785]
    """
    challenger_gain, champion_gain = _gains(tuple(shares), tolerated_ratio, tuple(grid))
    terms = (
        np.asarray(challenger, np.float64)[..., np.newaxis] * challenger_gain
        + np.asarray(champion, np.float64)[..., np.newaxis] * champion_gain
    )
    return log_mean_exp(np.cumsum(terms[..., ::-1, :], axis=-2)[..., ::-1, :])


def log_safe(step: ArmEvents, tolerated_ratio: float = 1.0) -> float:
    """Log evidence that the challenger's rate is below 1.5 times the tolerated one, from one step alone.

    Example:
        >>> round(log_safe(ArmEvents(0.5, 40, 60)), 9)
        7.153041464
    """
    return log_harm([step], SAFE_RATIO * tolerated_ratio, SAFE_GRID)


@functools.lru_cache(maxsize=256)
def _gains(shares: tuple[float, ...], tolerated_ratio: float, grid: tuple[float, ...]) -> tuple[FloatArray, FloatArray]:
    """What one event of each arm adds to the log likelihood ratio of each grid point: two (steps, grid) arrays."""
    if tolerated_ratio <= 0 or min(grid) <= 0:
        raise ValueError("Ratios are positive.")
    share = np.asarray(shares, np.float64)[:, np.newaxis]
    under_null = share * tolerated_ratio / (share * tolerated_ratio + 1 - share)
    ratios = tolerated_ratio * np.asarray(grid, np.float64)[np.newaxis]
    under_grid = share * ratios / (share * ratios + 1 - share)
    return np.log(under_grid / under_null), np.log((1 - under_grid) / (1 - under_null))
