"""Running experiments: further epochs, what they show, and their end."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from seatrial.domain.assignment import Intake
from seatrial.domain.errors import DependencyError, UsageError
from seatrial.domain.evidence import Finding, Verdict
from seatrial.domain.readout import Judgement
from seatrial.store.experiments import ExperimentRecord
from seatrial.wiring.comparing import Compared, compare, write_page
from seatrial.wiring.steering import Steering
from seatrial.wiring.workshop import Workshop

__all__ = ["VERDICTS", "Stopped", "listed", "open_epoch", "running", "shown_words", "status", "stop"]

_UNDECIDED = "undecided"
VERDICTS = (Judgement.SHIP.value, Judgement.KEEP.value, Judgement.HARMFUL.value, _UNDECIDED)
"""What an experiment may be stopped with."""
_HUMAN = "human.experiment"


@dataclass(frozen=True, slots=True)
class Stopped:
    """An experiment that was stopped.

    Attributes:
        record: as it is on record now.
        compared: the last look; None where the journal could not be read.
        findings: what went on record.
    """

    record: ExperimentRecord
    compared: Compared | None
    findings: tuple[Finding, ...]


def running(workshop: Workshop, model: str) -> ExperimentRecord:
    """The experiment of a model that is under way.

    Raises:
        UsageError: there is none.
    """
    for record in workshop.store.experiments.of_model(model):
        if not record.over:
            return record
    raise UsageError(f"No experiment of {model} is under way: begin one with seatrial experiment start.")


def open_epoch(workshop: Workshop, model: str, intake: Intake, actor: str) -> ExperimentRecord:
    """Takes further units into the running experiment, from now on and for good.

    Raises:
        UsageError: none is under way.
        ExperimentPlanError: the epoch takes nobody in, or its share is impossible.
    """
    record = running(workshop, model)
    reason = (
        f"{intake.units_percent:g} % of the units take part from now on; {intake.treatment_percent:g} % of the new "
        f"get version {record.plan.treatment}, and nobody is moved."
    )
    return workshop.store.experiments.open_epoch(record.plan.experiment, intake, reason, actor)


def stop(
    workshop: Workshop, steering: Steering, model: str, *, verdict: str, reason: str, actor: str, now_s: float
) -> Stopped:
    """Ends the running experiment and records what it has shown; traffic returns to production.

    Args:
        verdict: one of `VERDICTS`; empty: what the readout says, `undecided` where it says nothing yet.
        reason: why another verdict than the readout's is chosen.

    Raises:
        UsageError: none is under way, there is no such verdict, or it contradicts the readout without a reason.
        UnreachableError: the journal cannot be read, and the verdict is not `undecided` with a reason.
    """
    if verdict and verdict not in VERDICTS:
        raise UsageError(f"There is no verdict {verdict!r}: stop with one of {', '.join(VERDICTS)}.")
    record = running(workshop, model)
    compared = _last_look(workshop, steering, record, now_s, must=not (verdict == _UNDECIDED and reason.strip()))
    shown = compared.readout.judgement.value if compared else _UNDECIDED
    measured = shown if shown in VERDICTS else _UNDECIDED
    chosen = verdict or measured
    if chosen != measured and not reason.strip():
        raise UsageError(f"The readout says {shown}, not {chosen}: say why you decide otherwise with --reason.")
    findings = _recorded(compared) if compared else []
    sentence = f"Stopped: {chosen}. {reason or (compared.readout.reason if compared else '')}"
    if chosen != measured or reason:
        findings.append(
            Finding(
                _HUMAN, record.plan.subject, Verdict.PASS, f"{actor}: {chosen}. {reason}",
                details={"experiment": record.plan.experiment, "name": actor, "verdict": chosen, "reason": reason},
            )
        )  # fmt: skip
    ended = workshop.store.experiments.end(record.plan.experiment, chosen, sentence, findings, actor)
    return Stopped(ended, compared, tuple(findings))


def listed(workshop: Workshop, model: str) -> list[dict[str, Any]]:
    """Every experiment of a model in a few words, the latest first."""
    return [_head(record) for record in reversed(workshop.store.experiments.of_model(model))]


def status(
    workshop: Workshop, steering: Steering, record: ExperimentRecord, now_s: float, *, page: bool = False
) -> dict[str, Any]:
    """One experiment: its epochs, and what it shows now.

    Args:
        page: write it as a page too, whose path is `report` of the answer.

    Raises:
        UnreachableError: the journal cannot be read.
    """
    compared = compare(workshop.settings, steering, record, now_s)
    written = {"report": str(write_page(workshop.settings, record, compared))} if page else {}
    return {**_head(record), **shown_words(compared), "plan": record.plan.to_json(), **written}


def shown_words(compared: Compared) -> dict[str, Any]:
    """A look as JSON."""
    return {
        "readout": compared.readout.to_json(),
        "findings": [finding.to_json() for finding in compared.findings],
        "observations": compared.observations,
        "journal_missed": compared.missed,
    }


def _head(record: ExperimentRecord) -> dict[str, Any]:
    plan = record.plan
    return {
        "experiment": plan.experiment,
        "model": plan.model,
        "a": plan.control,
        "b": plan.treatment,
        "requester": record.requester,
        "running": not record.over,
        "verdict": record.verdict or None,
        "metrics": [metric.name for metric in plan.metrics],
        "guardrails": [metric.name for metric in plan.guardrails],
        "b_traffic_percent": record.assignment.treated_percent,
        "epochs": [
            {**intake.to_json(), "since": _moment(at_s)}
            for intake, at_s in zip(record.intakes, record.started_at_s, strict=True)
        ],
        "ended": None if record.ended_at_s is None else _moment(record.ended_at_s),
    }


def _last_look(
    workshop: Workshop, steering: Steering, record: ExperimentRecord, now_s: float, *, must: bool
) -> Compared | None:
    """What is shown at the end; None where the journal cannot be read and need not be: traffic must get back."""
    try:
        return compare(workshop.settings, steering, record, now_s)
    except DependencyError:
        if must:
            raise
        return None


def _recorded(compared: Compared) -> list[Finding]:
    """The findings as they go on record: one claim each, since of two equal ones the later would hide the earlier.

    What was shown, gain or harm, is about the version, and its release is judged by it. An experiment that showed
    nothing says nothing about the version, so its findings are about the experiment.
    """
    readout, findings = compared.readout, []
    shown = readout.judgement in (Judgement.SHIP, Judgement.HARMFUL)
    subject = readout.subject if shown else f"{readout.subject}/{readout.experiment}"
    for finding in compared.findings:
        metrics = finding.details.get("metrics", ())
        name = f".{metrics[0]['metric']}" if finding.check.endswith(".guardrail") and metrics else ""
        findings.append(replace(finding, check=finding.check + name, subject=subject))
    return findings


def _moment(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="seconds")
