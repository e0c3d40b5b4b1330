"""A readout as findings, so that an experiment moves a model in the way that everything does."""

from __future__ import annotations

import math
from collections.abc import Sequence

from seatrial.domain.evidence import Finding, Verdict, e_value
from seatrial.domain.readout import Judgement, MetricReadout, Readout, Standing
from seatrial.stats.evidence import alarm_level
from seatrial.stats.sample_ratio import MISMATCH_LEVEL

__all__ = ["readout_findings"]

_VERDICTS = {
    Standing.TOO_FEW: Verdict.INCONCLUSIVE,
    Standing.OPEN: Verdict.INCONCLUSIVE,
    Standing.BETTER: Verdict.PASS,
    Standing.NOT_WORSE: Verdict.PASS,
    Standing.WORSE: Verdict.FAIL,
    Standing.NO_GAIN: Verdict.FAIL,
}


def readout_findings(readout: Readout) -> tuple[Finding, ...]:
    """The claims that a treatment must meet to be shipped: units as assigned, a win, and each guardrail held.

    The worst verdict is PASS where the readout says ship, INCONCLUSIVE where it says keep collecting, else FAIL.

    Example:
        >>> [finding.verdict.word for finding in readout_findings(
        ...     Readout("e-1", "m@2", 0.0, Judgement.COLLECT, "No unit yet.", (), 0, 0, 0.0, False))]
        ['inconclusive', 'inconclusive']
    """
    guardrails = [metric for metric in readout.metrics if metric.guardrail]
    return (_sample_ratio(readout), _primary(readout), *(_guardrail(readout, metric) for metric in guardrails))


def _sample_ratio(readout: Readout) -> Finding:
    units = readout.control_units + readout.treatment_units
    counted = f"{readout.control_units:,} units of the control, {readout.treatment_units:,} of the treatment"
    if readout.mismatched:
        verdict, reason = Verdict.FAIL, readout.reason
    elif units:
        verdict, reason = Verdict.PASS, f"{counted}: as assigned."
    else:
        verdict, reason = Verdict.INCONCLUSIVE, "No unit has come yet: send traffic with a unit."
    details = {"experiment": readout.experiment, "log_e": readout.mismatch_log_e}
    return Finding(
        "experiments.sample_ratio", readout.subject, verdict, reason, e_value(readout.mismatch_log_e),
        e_value(MISMATCH_LEVEL), units, details,
    )  # fmt: skip


def _primary(readout: Readout) -> Finding:
    """Whether one of the primary metrics has won, and none has lost."""
    metrics = [metric for metric in readout.metrics if not metric.guardrail]
    lost = [metric for metric in metrics if metric.standing is Standing.WORSE]
    won = [metric for metric in metrics if metric.standing is Standing.BETTER]
    shown = lost or won or metrics
    if not lost and not won:
        every = metrics and all(metric.standing is Standing.NO_GAIN for metric in metrics)
        verdict = Verdict.FAIL if every else Verdict.INCONCLUSIVE
    else:
        verdict = Verdict.FAIL if lost else Verdict.PASS
    return _about(readout, "experiments.primary", shown, verdict)


def _guardrail(readout: Readout, metric: MetricReadout) -> Finding:
    return _about(readout, "experiments.guardrail", [metric], _VERDICTS[metric.standing])


def _about(readout: Readout, check: str, shown: Sequence[MetricReadout], verdict: Verdict) -> Finding:
    """A finding about metrics of which the first with an estimate gives the figures."""
    reason = " ".join(metric.reason for metric in shown) or "No primary metric was read."
    if readout.judgement is Judgement.BLOCKED:
        verdict, reason = Verdict.INCONCLUSIVE, "Not judged, because units do not arrive as assigned."
    elif readout.judgement is Judgement.KEEP and verdict is Verdict.INCONCLUSIVE:
        verdict, reason = Verdict.FAIL, f"The units are spent. {reason}"
    leading = max(shown, key=lambda metric: -math.inf if metric.log_e is None else metric.log_e, default=None)
    details = {"experiment": readout.experiment, "metrics": [metric.to_json() for metric in shown]}
    if leading is None or leading.log_e is None:
        return Finding(check, readout.subject, verdict, reason, details=details)
    return Finding(
        check, readout.subject, verdict, reason, e_value(leading.log_e), e_value(alarm_level(leading.alpha)),
        leading.control_units + leading.treatment_units, details,
    )  # fmt: skip
