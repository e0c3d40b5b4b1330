"""Exact confidence bounds for a binomial share.

Source: C. J. Clopper and E. S. Pearson, "The use of confidence or fiducial limits illustrated in the case of the
binomial", Biometrika 26 (1934), 404-413.
"""

from __future__ import annotations

__all__ = ["check_confidence", "interval", "lower_bound", "upper_bound"]


def upper_bound(events: int, trials: int, confidence: float = 0.95) -> float:
    """Exact one-sided upper bound of the share: the largest p under which at most `events` is not surprising.

    Args:
        events: how many of `trials` had the event.
        confidence: one-sided, between 0 and 1.

    Returns:
        A share from 0 to 1; 1 where there were no trials.

    Raises:
        ValueError: counts or confidence are impossible.

    Example:
        >>> round(upper_bound(0, 100), 6)  # the exact form of the rule of three
        0.029513
    """
    _check(events, trials, confidence)
    if events == trials:
        return 1.0
    from scipy.special import betaincinv

    return float(betaincinv(events + 1, trials - events, confidence))


def lower_bound(events: int, trials: int, confidence: float = 0.95) -> float:
    """Exact one-sided lower bound of the share; 0 where there were no trials. See `upper_bound`.

    Example:
        >>> round(lower_bound(100, 100), 6)
        0.970487
    """
    _check(events, trials, confidence)
    if events == 0:
        return 0.0
    from scipy.special import betaincinv

    return float(betaincinv(events, trials - events + 1, 1 - confidence))


def interval(events: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Exact two-sided interval: both one-sided bounds at half the error each.

    Example:
        >>> low, high = interval(8, 10)
        >>> round(low, 4), round(high, 4)
        (0.4439, 0.9748)
    """
    check_confidence(confidence)
    one_sided = (1 + confidence) / 2
    return lower_bound(events, trials, one_sided), upper_bound(events, trials, one_sided)


def check_confidence(confidence: float) -> None:
    """Raises ValueError unless the confidence lies between 0 and 1."""
    if not 0 < confidence < 1:
        raise ValueError(f"A confidence lies between 0 and 1, not {confidence}.")


def _check(events: int, trials: int, confidence: float) -> None:
    if not 0 <= events <= trials:
        raise ValueError(f"{events} events of {trials} trials is impossible.")
    check_confidence(confidence)
