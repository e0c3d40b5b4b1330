"""How many units an experiment needs before it can say anything: simulated with the very intervals of the readout."""

from __future__ import annotations

from dataclasses import dataclass

from seatrial.domain.errors import ExperimentPlanError
from seatrial.domain.experiment import Epoch, ExperimentPlan, Metric, MetricKind
from seatrial.stats.confidence_sequence import Mean
from seatrial.stats.evidence import FloatArray, alarm_level
from seatrial.stats.planning import (
    Difference,
    MeanDifference,
    detection_requests,
    detection_units,
    rare_evidence,
    requests_for_power,
)

__all__ = ["MOST_UNITS", "WANTED_POWER", "Expectation", "UnitsNeeded", "units_needed"]

WANTED_POWER = 0.8
MOST_UNITS = 10_000_000
"""Units of both arms beyond which nothing is simulated."""
_MEDIAN = 0.5


@dataclass(frozen=True, slots=True)
class Expectation:
    """What is expected of a metric.

    Attributes:
        control_value: its value in the control.
        effect: of a primary metric, the difference to be shown: in the metric's unit, of a rare metric relative;
            a guardrail is planned with equal arms and its margin.
        deviation: standard deviation over units; None: that of a metric of 0 and 1.
    """

    control_value: float
    effect: float = 0.0
    deviation: float | None = None


@dataclass(frozen=True, slots=True)
class UnitsNeeded:
    """Units of both arms, outcome window over, until a metric shows what it shall.

    Attributes:
        metric: its name.
        median: half of the experiments have shown it by then; infinite where they never do.
        wanted_power: so have 80 %.
        exposed: of the latter, units that got the treatment.
    """

    metric: str
    median: float
    wanted_power: float
    exposed: float


def units_needed(
    plan: ExperimentPlan, metric: Metric, expectation: Expectation, *, treatment_percent: float = 50.0, seed: int = 0
) -> UnitsNeeded:
    """How many units until a primary metric shows its effect, or a guardrail that nothing beyond its margin is lost.

    Raises:
        ExperimentPlanError: values that the metric cannot have, or no effect to look for.

    Example:
        >>> plan = ExperimentPlan("e", "m", 1, 2, (Metric("bought", MetricKind.BINARY),))
        >>> needed = units_needed(plan, plan.metrics[0], Expectation(0.2, 0.02))
        >>> 10_000 < needed.median < 16_000 < needed.wanted_power < 30_000
        True
    """
    share = Epoch(0, treatment_percent, 0.0).share_ratio
    simulated = _rare if metric.kind is MetricKind.RARE else _mean
    shown = simulated(plan, metric, expectation, share, seed)
    median, wanted = (requests_for_power(shown, power) for power in (_MEDIAN, WANTED_POWER))
    return UnitsNeeded(metric.name, median, wanted, wanted * share)


def _mean(plan: ExperimentPlan, metric: Metric, expected: Expectation, share: float, seed: int) -> FloatArray:
    """A loss of the margin is refuted as fast as a gain of the margin would be shown: the same interval is read."""
    effect = _effect(metric, expected)
    values = (expected.control_value, expected.control_value + (0.0 if metric.margin else effect))
    control, treatment = (Mean(0, value, _variance(metric, value, expected)) for value in values)
    binary = metric.kind is MetricKind.BINARY
    difference = MeanDifference(share, abs(effect), control, treatment, binary, plan.alpha_of(metric))
    return detection_units(difference, MOST_UNITS, seed=seed)


def _rare(plan: ExperimentPlan, metric: Metric, expected: Expectation, share: float, seed: int) -> FloatArray:
    """Events of both arms are drawn; a margin is refuted by the evidence against that ratio of the rates."""
    effect, rate = _effect(metric, expected), expected.control_value
    raised = rate if metric.margin else rate * (1 + effect)
    if not (0 < rate < 1 and 0 <= raised < 1):
        raise ExperimentPlanError(f"Rates of {metric.name} lie between 0 and 1, not {rate:g} and {raised:g}.")
    refuted = 1 - metric.better.sign * metric.margin
    difference = Difference(share, (rate, 1 - rate), (raised, 1 - raised), alarm_level(plan.alpha_of(metric)))
    return detection_requests(difference, rare_evidence(refuted), MOST_UNITS, seed=seed)


def _effect(metric: Metric, expected: Expectation) -> float:
    effect = metric.margin or expected.effect or metric.better.sign * metric.least_gain
    if not effect:
        raise ExperimentPlanError(
            f"Say which effect of {metric.name} shall be shown: without one no number of units is enough."
        )
    return effect


def _variance(metric: Metric, value: float, expected: Expectation) -> float:
    if expected.deviation is not None and expected.deviation > 0:
        return expected.deviation**2
    if metric.kind is not MetricKind.BINARY:
        raise ExperimentPlanError(f"{metric.name} needs the standard deviation over units, above 0.")
    if not 0 < value < 1:
        raise ExperimentPlanError(f"Shares of {metric.name} lie between 0 and 1, not {value:g}.")
    return value * (1 - value)
