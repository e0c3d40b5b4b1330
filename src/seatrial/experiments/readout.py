"""What an experiment shows now, however often one looks, and what follows from it. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from seatrial.domain.experiment import Epoch, ExperimentPlan, Side
from seatrial.domain.readout import Judgement, MetricReadout, Readout, Standing
from seatrial.experiments.metrics import read_metric
from seatrial.experiments.observations import Observations
from seatrial.stats.sample_ratio import MISMATCH_LEVEL, log_mismatch

__all__ = ["readout"]

_LOST = (Standing.WORSE,)
_HELD = (Standing.NOT_WORSE, Standing.BETTER)


def readout(
    plan: ExperimentPlan,
    epochs: Sequence[Epoch],
    observations: Observations,
    now_s: float,
    earlier: Readout | None = None,
) -> Readout:
    """Reads every metric and judges.

    In this order: units that do not arrive as assigned block everything; a metric that is worse makes the treatment
    harmful; a primary metric that is better, with every guardrail shown to lose less than its margin, ships it; a gain
    worth having that is refuted on every primary metric, or spent units, keep the control; otherwise more is collected.

    Args:
        plan: what was decided before.
        epochs: the shares, in their order.
        observations: of the same epochs.
        now_s: time of the look.
        earlier: the look before: a mismatch that was seen stays seen.

    Raises:
        ValueError: observations and epochs are not of the same number.

    Example:
        >>> from seatrial.domain.experiment import Metric
        >>> from seatrial.experiments.observations import EpochObservations
        >>> plan = ExperimentPlan("e", "m", 1, 2, (Metric("bought"),))
        >>> readout(plan, [Epoch(0, 50.0, 0.0)], Observations((EpochObservations(),), 0.0), 0.0).judgement.value
        'keep_collecting'
    """
    if len(epochs) != len(observations.epochs):
        raise ValueError(f"{len(epochs)} epochs, but observations of {len(observations.epochs)}.")
    log_e = _mismatch(epochs, observations)
    mismatched = log_e >= MISMATCH_LEVEL or (earlier is not None and earlier.mismatched)
    metrics = tuple(read_metric(plan, metric, epochs, observations) for metric in plan.watched)
    came = {side: observations.came(side) for side in Side}
    judgement, reason = (Judgement.BLOCKED, _blocked(came)) if mismatched else _judge(plan, metrics, observations)
    return Readout(
        plan.experiment, plan.subject, now_s, judgement, reason, metrics,
        came[Side.CONTROL], came[Side.TREATMENT], log_e, mismatched,
    )  # fmt: skip


def _mismatch(epochs: Sequence[Epoch], observations: Observations) -> float:
    """Log evidence of all epochs together that units do not arrive as assigned."""
    return math.fsum(
        float(log_mismatch([seen.control.came, seen.treatment.came], [1 - epoch.share_ratio, epoch.share_ratio]))
        for epoch, seen in zip(epochs, observations.epochs, strict=True)
    )


def _blocked(came: dict[Side, int]) -> str:
    return (
        f"{came[Side.CONTROL]:,} units came to the control and {came[Side.TREATMENT]:,} to the treatment, which is not "
        "as assigned: nothing can be concluded. Find out who is lost on the way, then start a new experiment."
    )


def _judge(plan: ExperimentPlan, metrics: Sequence[MetricReadout], observations: Observations) -> tuple[Judgement, str]:
    primary = [metric for metric in metrics if not metric.guardrail]
    guardrails = [metric for metric in metrics if metric.guardrail]
    lost = [metric for metric in metrics if metric.standing in _LOST]
    won = [metric for metric in primary if metric.standing is Standing.BETTER]
    unproven = [metric for metric in guardrails if metric.standing not in _HELD]
    if lost:
        return Judgement.HARMFUL, " ".join(metric.reason for metric in lost)
    if won and not unproven:
        return Judgement.SHIP, " ".join(metric.reason for metric in (*won, *guardrails))
    if all(metric.standing is Standing.NO_GAIN for metric in primary):
        return Judgement.KEEP, " ".join(metric.reason for metric in primary)
    missing = " ".join(metric.reason for metric in (unproven if won else (*primary, *unproven)))
    counted = max(metric.control_units + metric.treatment_units for metric in metrics)
    if 0 < plan.most_units <= counted:
        return Judgement.KEEP, f"The {plan.most_units:,} units of the plan are spent. {missing}"
    return Judgement.COLLECT, f"{_waiting(observations, counted)}{missing}"


def _waiting(observations: Observations, counted: int) -> str:
    """What is said first while no unit counts."""
    if counted:
        return ""
    if observations.first_due_s is None:
        return "No unit has come yet: send traffic with a unit. "
    due_in_s = observations.first_due_s - observations.until_s
    return (
        f"{observations.waiting:,} units have come, but no outcome window is over yet: the first ends in "
        f"{due_in_s:,.0f} s. "
    )
