"""A difference of means over several strata, such as the epochs of an experiment between which the split changed.

Pooling the arms over epochs would compare one day with another: an arm that grew on a good day looks good. Each epoch
is compared within itself, and the differences are averaged with the epochs' units as weights. With one epoch it is
`confidence_sequence.difference`.

Source: as `confidence_sequence` (equation 2, on the stratified estimator's influence values); the evidence is the
mixture martingale whose crossing of 1/alpha is the interval's missing 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from seatrial.stats.confidence_sequence import Interval, Mean, half_width, mixture_precision

__all__ = ["Contrast", "contrast"]


@dataclass(frozen=True, slots=True)
class Contrast:
    """An estimated difference of means.

    Attributes:
        units: of both arms and all strata.
        value: treatment minus control.
        variance: of one unit: over `units` it is that of the value.
    """

    units: int
    value: float
    variance: float

    def interval(self, alpha: float = 0.05) -> Interval:
        """The difference with its interval, valid at every look.

        Example:
            >>> one = contrast([(Mean(1000, 0.2, 0.16), Mean(1000, 0.22, 0.1716))]).interval()
            >>> round(one.high - one.value, 9)
            0.061256017
        """
        half = self.units / 2  # two arms that together have these units and this variance
        around = float(half_width(half, self.variance / 4, half, self.variance / 4, alpha))
        return Interval(self.value - around, self.value + around)

    def log_e(self, alpha: float = 0.05) -> float:
        """Log evidence that there is a difference; it reaches log(1/alpha) when the interval no longer holds 0.

        Example:
            >>> found = contrast([(Mean(9000, 0.2, 0.16), Mean(9000, 0.22, 0.1716))])
            >>> found.log_e() >= math.log(20), found.interval().excludes_zero
            (True, True)
        """
        growth = self.units * mixture_precision(alpha)
        if self.variance == 0:  # every unit alike within its arm
            return math.inf if self.value else -math.log1p(growth) / 2
        return self.value**2 * self.units / self.variance * growth / (2 * (growth + 1)) - math.log1p(growth) / 2


def contrast(strata: Sequence[tuple[Mean, Mean]]) -> Contrast:
    """The difference over strata, each a control and a treatment.

    Raises:
        ValueError: there is no stratum.

    Example:
        >>> good_day = (Mean(100, 0.5, 0.25), Mean(900, 0.5, 0.25))
        >>> bad_day = (Mean(900, 0.1, 0.09), Mean(100, 0.1, 0.09))
        >>> contrast([good_day, bad_day]).value
        0.0
    """
    units = sum(control.units + treatment.units for control, treatment in strata)
    if not units:
        raise ValueError("No units: there is no difference.")
    weights = [(control.units + treatment.units) / units for control, treatment in strata]
    value = sum(
        weight * (treatment.value - control.value) for weight, (control, treatment) in zip(weights, strata, strict=True)
    )
    variance = units * sum(
        weight**2 * (control.variance / control.units + treatment.variance / treatment.units)
        for weight, (control, treatment) in zip(weights, strata, strict=True)
    )
    return Contrast(units, value, variance)
