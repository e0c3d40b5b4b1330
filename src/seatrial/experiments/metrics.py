"""One metric of an experiment at one look: estimate, interval, evidence, and where it stands."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from seatrial.domain.experiment import Epoch, ExperimentPlan, Metric, MetricKind, Side
from seatrial.domain.readout import MetricReadout, Standing
from seatrial.experiments.observations import Observations
from seatrial.stats.confidence_sequence import Interval, Mean, Sums, adjusted_means, may_look
from seatrial.stats.rare_events import log_difference, ratio_estimate, ratio_interval
from seatrial.stats.rate_ratio import ArmEvents
from seatrial.stats.strata import contrast

__all__ = ["read_metric"]

_LARGEST_LOG_E = 1e6
_EVEN = 0.5


@dataclass(frozen=True, slots=True)
class _Shown:
    """What the units of a metric show.

    Attributes:
        difference: as in `MetricReadout`.
        interval: around it.
        log_e: against no difference.
    """

    difference: float
    interval: Interval
    log_e: float


@dataclass(frozen=True, slots=True)
class _Stratum:
    """A metric in one epoch."""

    epoch: Epoch
    control: Sums
    treatment: Sums


def read_metric(
    plan: ExperimentPlan, metric: Metric, epochs: Sequence[Epoch], observations: Observations
) -> MetricReadout:
    """Reads one metric of the plan."""
    strata = [
        _Stratum(epoch, seen.control.sums(metric.name), seen.treatment.sums(metric.name))
        for epoch, seen in zip(epochs, observations.epochs, strict=True)
    ]
    alpha, guardrail = plan.alpha_of(metric), metric in plan.guardrails
    relative = metric.kind is MetricKind.RARE
    shown = _rare(strata, alpha) if relative else _mean(plan, metric, strata, alpha)
    standing = _standing(metric, guardrail, shown)
    units = {side: sum(_sums(stratum, side).units for stratum in strata) for side in Side}
    return MetricReadout(
        metric=metric.name,
        guardrail=guardrail,
        relative=relative,
        control_units=units[Side.CONTROL],
        treatment_units=units[Side.TREATMENT],
        control_value=_value(metric, strata, Side.CONTROL),
        treatment_value=_value(metric, strata, Side.TREATMENT),
        difference=_finite(shown.difference) if shown else None,
        low=_finite(shown.interval.low) if shown else None,
        high=_finite(shown.interval.high) if shown else None,
        log_e=min(shown.log_e, _LARGEST_LOG_E) if shown else None,
        alpha=alpha,
        standing=standing,
        reason=_reason(metric, shown, standing, min(units.values())),
    )


def _sums(stratum: _Stratum, side: Side) -> Sums:
    return stratum.control if side is Side.CONTROL else stratum.treatment


def _rare(strata: Sequence[_Stratum], alpha: float) -> _Shown | None:
    events = [
        ArmEvents(stratum.epoch.share_ratio, round(stratum.treatment.y), round(stratum.control.y)) for stratum in strata
    ]
    ratio = ratio_estimate(events)
    if ratio is None:
        return None
    low, high = ratio_interval(events, alpha)
    return _Shown(ratio - 1, Interval(low - 1, high - 1), log_difference(events))


def _mean(plan: ExperimentPlan, metric: Metric, strata: Sequence[_Stratum], alpha: float) -> _Shown | None:
    """Epochs enter once the first-look rule lets each be looked at by itself."""
    pairs = [pair for stratum in strata if (pair := _pair(plan, metric, stratum))]
    if not pairs:
        return None
    found = contrast(pairs)
    return _Shown(found.value, found.interval(alpha), found.log_e(alpha))


def _pair(plan: ExperimentPlan, metric: Metric, stratum: _Stratum) -> tuple[Mean, Mean] | None:
    control, treatment = _plain(metric, stratum.control), _plain(metric, stratum.treatment)
    if control is None or treatment is None:
        return None
    even, binary = stratum.epoch.share_ratio == _EVEN, metric.kind is MetricKind.BINARY
    if not may_look(control, treatment, equal=even, binary=binary):
        return None
    if plan.pre_period_s and metric.kind is not MetricKind.RATIO:
        return adjusted_means(stratum.control, stratum.treatment)
    return control, treatment


def _plain(metric: Metric, sums: Sums) -> Mean | None:
    """The metric of one arm as it is; None where nobody sent anything to divide by."""
    if not sums.units or (metric.kind is MetricKind.RATIO and not sums.x):
        return None
    return sums.ratio() if metric.kind is MetricKind.RATIO else sums.mean()


def _value(metric: Metric, strata: Sequence[_Stratum], side: Side) -> float | None:
    """The metric of an arm over all epochs, for people."""
    arms = [_sums(stratum, side) for stratum in strata]
    divisor = sum(arm.x if metric.kind is MetricKind.RATIO else arm.units for arm in arms)
    return sum(arm.y for arm in arms) / divisor if divisor else None


def _standing(metric: Metric, guardrail: bool, shown: _Shown | None) -> Standing:
    """Where the metric stands.

    A guardrail whose loss is proven, and proven to be smaller than its margin, holds: that loss is what the plan
    tolerates. Otherwise a proven loss is harm.
    """
    if shown is None:
        return Standing.TOO_FEW
    low, high = _gain(metric, shown.interval)
    if guardrail and low > -metric.margin:
        return Standing.NOT_WORSE
    if high < 0:
        return Standing.WORSE
    if not guardrail and high < metric.least_gain:
        return Standing.NO_GAIN
    return Standing.BETTER if low > 0 else Standing.OPEN


def _gain(metric: Metric, interval: Interval) -> tuple[float, float]:
    """The interval turned so that more is better."""
    ends = (metric.better.sign * interval.low, metric.better.sign * interval.high)
    return min(ends), max(ends)


def _reason(metric: Metric, shown: _Shown | None, standing: Standing, fewest: int) -> str:
    if shown is None:
        what = "without an event" if metric.kind is MetricKind.RARE else "too few for its interval to hold"
        return f"{metric.name}: {fewest:,} units in the smaller arm, {what}."
    low, high = shown.interval.low, shown.interval.high
    figures = f"{_figure(metric, shown.difference)} ({_figure(metric, low)} to {_figure(metric, high)})"
    margin = _figure(metric, -metric.better.sign * metric.margin)
    sense = {
        Standing.OPEN: f"a loss as large as {margin} is not refuted yet"
        if metric.margin
        else "no difference is shown yet",
        Standing.BETTER: "the treatment is better",
        Standing.WORSE: "the treatment is worse",
        Standing.NOT_WORSE: f"a loss as large as {margin} is refuted",
        Standing.NO_GAIN: f"a gain of {_figure(metric, metric.better.sign * metric.least_gain)} is refuted",
        Standing.TOO_FEW: "",
    }[standing]
    return f"{metric.name}: {sense}, {figures}."


def _figure(metric: Metric, difference: float) -> str:
    if not math.isfinite(difference):
        return "any gain" if difference > 0 else "any loss"
    return f"{difference:+.1%}" if metric.kind is MetricKind.RARE else f"{difference:+.4g}"


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
