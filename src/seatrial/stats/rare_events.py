"""Is a rare event (up to some 5 %) more or less frequent in one arm of an experiment? Exact at every look.

Two-sided rate-ratio e-process, summed over the epochs between which the split changed; a confidence sequence is
asymptotic and needs more events than there are. The ratios that it does not refute are an interval.

Source: as `rate_ratio` (Lindon and Malek, NeurIPS 2022).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from seatrial.stats.rate_ratio import ArmEvents, log_harm

__all__ = ["RARE_GRID", "log_difference", "ratio_estimate", "ratio_interval"]

_ABOVE = (1.02, 1.05, 1.1, 1.2, 1.5)
RARE_GRID = (*_ABOVE, *(1 / ratio for ratio in _ABOVE))
_LOG_GRID = tuple(map(math.log, RARE_GRID))
_FARTHEST_LOG = math.log(1e6)
_HALVINGS = 40  # leave 1e-10 of a ratio


def log_difference(epochs: Sequence[ArmEvents]) -> float:
    """Log evidence that the rates of the arms differ, in either direction; one process from the first epoch on.

    Args:
        epochs: challenger is treatment, champion is control.

    Example:
        >>> round(log_difference([ArmEvents(0.5, challenger=130, champion=90)]), 9)
        1.840939763
    """
    return log_harm(epochs, 1.0, RARE_GRID)


def ratio_estimate(epochs: Sequence[ArmEvents]) -> float | None:
    """The likeliest ratio of the rates, treatment over control; None while there is no event.

    Example:
        >>> round(ratio_estimate([ArmEvents(0.5, challenger=130, champion=100)]), 6)
        1.3
    """
    if not any(epoch.challenger + epoch.champion for epoch in epochs):
        return None
    if not any(epoch.challenger for epoch in epochs):
        return 0.0
    if not any(epoch.champion for epoch in epochs):
        return math.inf
    return math.exp(_crossing(lambda log_ratio: -_surplus(epochs, log_ratio), -_FARTHEST_LOG, _FARTHEST_LOG))


def ratio_interval(epochs: Sequence[ArmEvents], alpha: float = 0.05) -> tuple[float, float]:
    """The ratios of the rates that the e-process does not refute at any look; 0 or infinite where an end is open.

    Example:
        >>> low, high = ratio_interval([ArmEvents(0.5, challenger=1300, champion=1000)])
        >>> round(low, 2), round(high, 2)
        (1.14, 1.49)
    """
    estimate = ratio_estimate(epochs)
    if estimate is None:
        return 0.0, math.inf
    centre = max(-_FARTHEST_LOG, min(_FARTHEST_LOG, math.log(estimate) if estimate > 0 else -_FARTHEST_LOG))

    def refuted(log_ratio: float) -> float:
        return _log_refutation(epochs, log_ratio) + math.log(alpha)

    low = -_crossing(lambda mirrored: refuted(-mirrored), -centre, _FARTHEST_LOG)
    high = _crossing(refuted, centre, _FARTHEST_LOG)
    return (
        0.0 if low <= -_FARTHEST_LOG else math.exp(low),
        math.inf if high >= _FARTHEST_LOG else math.exp(high),
    )


def _surplus(epochs: Sequence[ArmEvents], log_ratio: float) -> float:
    """Events of the treatment over those that a ratio lets expect; it falls as the ratio grows."""
    return sum(
        epoch.challenger - (epoch.challenger + epoch.champion) / (1 + math.exp(-_log_odds(epoch) - log_ratio))
        for epoch in epochs
    )


def _log_refutation(epochs: Sequence[ArmEvents], log_ratio: float) -> float:
    """Log evidence against a ratio: `log_difference` with that ratio in place of 1, quick enough to search with."""
    terms = [0.0] * len(RARE_GRID)
    for epoch in epochs:
        events, null = epoch.challenger + epoch.champion, _log_odds(epoch) + log_ratio
        under_null = math.log1p(math.exp(null))
        for place, log_step in enumerate(_LOG_GRID):
            terms[place] += epoch.challenger * log_step
            terms[place] -= events * (math.log1p(math.exp(null + log_step)) - under_null)
    top = max(terms)
    return top + math.log(math.fsum(math.exp(term - top) for term in terms) / len(terms))


def _log_odds(epoch: ArmEvents) -> float:
    return math.log(epoch.share_ratio / (1 - epoch.share_ratio))


def _crossing(rising: Callable[[float], float], low: float, high: float) -> float:
    """Where a rising function passes 0 between two points; the end beyond which it would, where it does not."""
    if rising(low) >= 0:
        return low
    if rising(high) < 0:
        return high
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if rising(middle) < 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2
