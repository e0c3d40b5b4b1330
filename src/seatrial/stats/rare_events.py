"""Is a rare event (up to some 5 %) more or less frequent in one arm of an experiment? Exact at every look.

Two-sided rate-ratio e-process, summed over the epochs between which the split changed; a confidence sequence is
asymptotic and needs more events than there are.

Source: as `rate_ratio` (Lindon and Malek, NeurIPS 2022).
"""

from __future__ import annotations

from collections.abc import Sequence

from seatrial.stats.rate_ratio import ArmEvents, log_harm

__all__ = ["RARE_GRID", "log_difference"]

_ABOVE = (1.02, 1.05, 1.1, 1.2, 1.5)
RARE_GRID = (*_ABOVE, *(1 / ratio for ratio in _ABOVE))


def log_difference(epochs: Sequence[ArmEvents]) -> float:
    """Log evidence that the rates of the arms differ, in either direction; one process from the first epoch on.

    Args:
        epochs: challenger is treatment, champion is control.

    Example:
        >>> round(log_difference([ArmEvents(0.5, challenger=130, champion=90)]), 9)
        1.840939763
    """
    return log_harm(epochs, 1.0, RARE_GRID)
