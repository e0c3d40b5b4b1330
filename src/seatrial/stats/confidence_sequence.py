"""The difference of two means with an interval that holds at every look.

Asymptotic confidence sequence: equal in form for conversion, revenue and ratio metrics; the variance enters as
estimated. It promises nothing before the first look that `may_look` allows.

Source: I. Waudby-Smith, D. Arbour, R. Sinha, E. Kennedy and A. Ramdas, "Time-uniform central limit theory and
asymptotic confidence sequences", Annals of Statistics 52 (2024), arXiv 2103.06476, equation 2. CUPED: A. Deng, Y. Xu,
R. Kohavi and T. Walker, "Improving the sensitivity of online controlled experiments by utilizing pre-experiment
data", WSDM 2013.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "BEST_UNITS",
    "Interval",
    "Mean",
    "Sums",
    "adjusted_means",
    "difference",
    "half_width",
    "may_look",
    "mixture_precision",
]

BEST_UNITS = 10_000.0
"""Units of both arms together at which the interval is tightest."""
_FIRST_EQUAL, _FIRST_UNEQUAL, _FIRST_HEAVY, _FIRST_EVENTS = 500, 2_000, 5_000, 20


@dataclass(frozen=True, slots=True)
class Mean:
    """An estimated mean of one arm.

    Attributes:
        units: units it rests on.
        value: the mean, or the ratio of two.
        variance: of one unit, divisor n.
    """

    units: int
    value: float
    variance: float


@dataclass(frozen=True, slots=True)
class Sums:
    """All that is kept of one arm: sums over its units of a metric y and of a companion x.

    The companion is the same metric before the experiment (CUPED) or the denominator of a ratio; 0 where there is none.
    """

    units: int = 0
    y: float = 0.0
    yy: float = 0.0
    x: float = 0.0
    xx: float = 0.0
    xy: float = 0.0

    def plus(self, y: float, x: float = 0.0) -> Sums:
        """The sums with one more unit.

        Example:
            >>> Sums().plus(2.0).plus(4.0).mean()
            Mean(units=2, value=3.0, variance=1.0)
        """
        return Sums(self.units + 1, self.y + y, self.yy + y * y, self.x + x, self.xx + x * x, self.xy + x * y)

    def mean(self) -> Mean:
        """The mean of y.

        Raises:
            ValueError: there are no units.
        """
        self._check()
        value = self.y / self.units
        return Mean(self.units, value, max(0.0, self.yy / self.units - value * value))

    def ratio(self) -> Mean:
        """The ratio of the mean of y to the mean of x, its variance by the delta method.

        Raises:
            ValueError: there are no units, or the mean of x is 0.

        Example:
            >>> Sums().plus(1.0, 2.0).plus(2.0, 4.0).ratio()
            Mean(units=2, value=0.5, variance=0.0)
        """
        self._check()
        if self.x == 0:
            raise ValueError("The denominator's mean is 0: the ratio does not exist.")
        value = self.y / self.x
        squares = self.yy - 2 * value * self.xy + value * value * self.xx
        return Mean(self.units, value, max(0.0, squares / self.units) / (self.x / self.units) ** 2)

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dictionary."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Sums:
        """What `to_json` wrote.

        Example:
            >>> sums = Sums().plus(2.0, 1.0)
            >>> Sums.from_json(sums.to_json()) == sums
            True
        """
        return cls(**{field.name: document[field.name] for field in fields(cls)})

    def _check(self) -> None:
        if self.units < 1:
            raise ValueError("No units: there is no mean.")


@dataclass(frozen=True, slots=True)
class Interval:
    """A difference of means, treatment minus control, with its interval at one look.

    Attributes:
        low: lower end.
        high: upper end.
    """

    low: float
    high: float

    @property
    def value(self) -> float:
        """The difference itself."""
        return (self.low + self.high) / 2

    @property
    def excludes_zero(self) -> bool:
        """Whether the arms differ."""
        return self.low > 0 or self.high < 0

    @property
    def harm(self) -> bool:
        """For a guardrail of which more is better: the treatment is worse."""
        return self.high < 0

    def non_inferior(self, margin: float) -> bool:
        """For such a guardrail: the treatment is not worse by the margin or more.

        Example:
            >>> Interval(-0.004, 0.01).non_inferior(0.005)
            True
        """
        return self.low > -margin


def difference(control: Mean, treatment: Mean, alpha: float = 0.05) -> Interval:
    """The treatment's mean minus the control's, with its interval.

    Example:
        >>> shown = difference(Mean(1000, 0.2, 0.16), Mean(1000, 0.22, 0.1716))
        >>> round(shown.high - shown.value, 9)
        0.061256017
    """
    value = treatment.value - control.value
    around = float(half_width(control.units, control.variance, treatment.units, treatment.variance, alpha))
    return Interval(value - around, value + around)


def half_width(
    control_units: npt.ArrayLike,
    control_variance: npt.ArrayLike,
    treatment_units: npt.ArrayLike,
    treatment_variance: npt.ArrayLike,
    alpha: float = 0.05,
) -> npt.NDArray[np.float64]:
    """Half the width of the interval around the difference of the means; any shape.

    Example:
        >>> round(float(half_width(9000, 0.16, 1000, 0.1716)), 9)
        0.041768907
    """
    control, treatment = np.asarray(control_units, np.float64), np.asarray(treatment_units, np.float64)
    units = control + treatment
    variance = units * (np.asarray(control_variance) / control + np.asarray(treatment_variance) / treatment)
    rho2 = mixture_precision(alpha)
    spread = 2 * (units * rho2 + 1) / (units**2 * rho2) * np.log(np.sqrt(units * rho2 + 1) / alpha)
    width: npt.NDArray[np.float64] = np.sqrt(variance * spread)
    return width


def mixture_precision(alpha: float) -> float:
    """How narrow the mixture is, so that the interval is tightest at `BEST_UNITS`: rho squared of the paper."""
    return (-2 * math.log(alpha) + math.log(-2 * math.log(alpha) + 1)) / BEST_UNITS


def may_look(control: Mean, treatment: Mean, *, equal: bool, binary: bool) -> bool:
    """Whether there are enough units for the interval to hold what it promises.

    Args:
        control: of the metric as it is, not adjusted.
        treatment: likewise.
        equal: the arms get equal shares.
        binary: the metric is 0 or 1 for each unit.

    Example:
        >>> may_look(Mean(600, 0.2, 0.16), Mean(600, 0.2, 0.16), equal=True, binary=True)
        True
        >>> may_look(Mean(600, 0.01, 0.0099), Mean(600, 0.01, 0.0099), equal=True, binary=True)  # 6 events
        False
    """
    needed = _FIRST_EQUAL if equal else _FIRST_UNEQUAL
    if not equal and any(math.sqrt(arm.variance) > 2 * abs(arm.value) for arm in (control, treatment)):
        needed = _FIRST_HEAVY
    if min(control.units, treatment.units) < needed:
        return False
    events = [arm.units * share for arm in (control, treatment) for share in (arm.value, 1 - arm.value)]
    return not binary or min(events) >= _FIRST_EVENTS


def adjusted_means(control: Sums, treatment: Sums) -> tuple[Mean, Mean]:
    """Both means with what the companion x (the same metric before the experiment) foretold taken out: CUPED.

    One slope for both arms, from their pooled sums; x is centred on its pooled mean, so that the difference of the
    means keeps its meaning. Where x says nothing, the means are the plain ones.

    Raises:
        ValueError: an arm has no units.

    Example:
        >>> control = Sums().plus(1.0, 1.0).plus(3.0, 3.0)
        >>> treatment = Sums().plus(2.0, 1.0).plus(4.0, 3.0)
        >>> [mean.value for mean in adjusted_means(control, treatment)], adjusted_means(control, treatment)[0].variance
        ([2.0, 3.0], 0.0)
    """
    slope = _pooled_slope(control, treatment)
    centre = (control.x + treatment.x) / (control.units + treatment.units)
    return _adjusted(control, slope, centre), _adjusted(treatment, slope, centre)


def _pooled_slope(control: Sums, treatment: Sums) -> float:
    """Covariance of x and y within the arms over the variance of x within them."""
    covariance = sum(arm.xy - arm.x * arm.y / arm.units for arm in (control, treatment) if arm.units)
    variance = sum(arm.xx - arm.x * arm.x / arm.units for arm in (control, treatment) if arm.units)
    return covariance / variance if variance > 0 else 0.0


def _adjusted(arm: Sums, slope: float, centre: float) -> Mean:
    plain = arm.mean()
    x_mean = arm.x / arm.units
    x_variance = arm.xx / arm.units - x_mean * x_mean
    covariance = arm.xy / arm.units - x_mean * plain.value
    variance = plain.variance - 2 * slope * covariance + slope * slope * x_variance
    return Mean(arm.units, plain.value - slope * (x_mean - centre), max(0.0, variance))
