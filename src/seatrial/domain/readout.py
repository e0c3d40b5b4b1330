"""What an experiment shows at one look: each metric with its interval, and what follows."""

from __future__ import annotations

import enum
from dataclasses import asdict, dataclass
from typing import Any

from seatrial.domain.evidence import e_value

__all__ = ["Judgement", "MetricReadout", "Readout", "Standing"]


class Standing(enum.StrEnum):
    """Where one metric stands.

    `TOO_FEW`: its interval may not be looked at yet. `OPEN`: nothing is shown yet. `BETTER` and `WORSE`: the treatment
    is, the interval excludes no difference. `NOT_WORSE`: of a guardrail, a loss of the margin or more is refuted.
    `NO_GAIN`: of a primary metric, a gain that is worth it is refuted.
    """

    TOO_FEW = "too_few"
    OPEN = "open"
    BETTER = "better"
    WORSE = "worse"
    NOT_WORSE = "not_worse"
    NO_GAIN = "no_gain"


class Judgement(enum.StrEnum):
    """What follows from a readout.

    `SHIP` the treatment; `KEEP` the control; the treatment is `HARMFUL`; `COLLECT` more; or nothing may be judged
    because units do not arrive as assigned: `BLOCKED`.
    """

    SHIP = "ship"
    KEEP = "keep"
    HARMFUL = "harmful"
    COLLECT = "keep_collecting"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True)
class MetricReadout:
    """One metric at one look. Figures are None where they are not known, and ends of the interval where it is open.

    Attributes:
        metric: its name.
        guardrail: it is one.
        relative: differences are relative to the control (rare events), not in the metric's unit.
        control_units: units whose outcome window is over.
        treatment_units: likewise.
        control_value: the metric of the control.
        treatment_value: of the treatment.
        difference: treatment minus control, or the ratio of the rates minus 1; adjusted by what a pre-period foretells.
        low: lower end of its interval, valid at every look.
        high: upper end.
        log_e: log evidence against no difference; the interval excludes 0 when it reaches log(1/alpha).
        alpha: what the interval is made for.
        standing: what is shown.
        reason: one sentence with the figures in it.
    """

    metric: str
    guardrail: bool
    relative: bool
    control_units: int
    treatment_units: int
    control_value: float | None
    treatment_value: float | None
    difference: float | None
    low: float | None
    high: float | None
    log_e: float | None
    alpha: float
    standing: Standing
    reason: str

    @property
    def e_value(self) -> float | None:
        """Evidence against no difference, as far as a float can hold it."""
        return None if self.log_e is None else e_value(self.log_e)

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dictionary, the e-value added for people."""
        return {**asdict(self), "standing": self.standing.value, "e_value": self.e_value}


@dataclass(frozen=True, slots=True)
class Readout:
    """An experiment at one look.

    Attributes:
        experiment: its identifier.
        subject: the treatment, ``name@version``.
        at_s: time of the look, seconds since 1970.
        judgement: what follows.
        reason: one sentence that says why.
        metrics: each watched metric, the primary ones first.
        control_units: units that have come to the control, their outcome window over or not.
        treatment_units: likewise.
        mismatch_log_e: log evidence that units do not arrive as assigned.
        mismatched: it has once reached its limit, which stays so.
    """

    experiment: str
    subject: str
    at_s: float
    judgement: Judgement
    reason: str
    metrics: tuple[MetricReadout, ...]
    control_units: int
    treatment_units: int
    mismatch_log_e: float
    mismatched: bool

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dictionary."""
        metrics = [metric.to_json() for metric in self.metrics]
        return {**asdict(self), "judgement": self.judgement.value, "metrics": metrics}
