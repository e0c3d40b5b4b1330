"""Beginning an experiment: everything that can be refused is refused before the first request."""

from __future__ import annotations

import math
import re
import secrets
from dataclasses import dataclass, replace

from seatrial.domain.assignment import Intake
from seatrial.domain.errors import ExperimentPlanError, UsageError
from seatrial.domain.evidence import Finding, Verdict
from seatrial.domain.experiment import Better, ExperimentPlan, Metric, MetricKind
from seatrial.domain.model import Alias, ModelVersion, VersionRef
from seatrial.domain.release import Action
from seatrial.flows.deploy import judged, version_of
from seatrial.store.experiments import ExperimentRecord
from seatrial.wiring.comparing import own_metric
from seatrial.wiring.workshop import Workshop

__all__ = ["Began", "ExperimentRequest", "begin_experiment", "parse_metric", "parse_window"]

_WINDOW = re.compile(r"(\d+(?:\.\d+)?)(s|m|h|d)")
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


@dataclass(frozen=True, slots=True)
class ExperimentRequest:
    """What somebody asks for.

    Attributes:
        model: name of the model.
        control: the version most get today, as a number, an alias or ``MODEL@V``.
        treatment: the version to compare it with.
        metrics: as `parse_metric` reads them; one of them must win.
        guardrails: likewise; none of them may lose more than its margin.
        intake: which units the first epoch takes in.
        requester: who asks.
        outcome_window_s: None: as the settings say.
        any_control: the control need not be in production.
    """

    model: str
    control: str
    treatment: str
    metrics: tuple[str, ...]
    guardrails: tuple[str, ...]
    intake: Intake
    requester: str
    outcome_window_s: float | None = None
    any_control: bool = False


@dataclass(frozen=True, slots=True)
class Began:
    """An experiment that began, or the findings that forbid it.

    Attributes:
        record: None where it was refused.
        against: the findings that say no.
        reason: one sentence.
    """

    record: ExperimentRecord | None
    against: tuple[Finding, ...]
    reason: str


def begin_experiment(workshop: Workshop, request: ExperimentRequest) -> Began:
    """Puts an experiment on record, if the findings of both versions pass; traffic follows by whoever controls it.

    Raises:
        UnknownModelError, UnknownVersionError, UnknownArtifactError: there is no such version, or it is not servable.
        ExperimentPlanError: versions, metrics or shares are impossible.
        UsageError: the control is not in production.
        LedgerConflictError: an experiment or a release of the model is under way.
    """
    control, treatment = (
        version_of(workshop, _ref(request.model, word)) for word in (request.control, request.treatment)
    )
    plan = _plan(workshop, request, control, treatment)
    record = ExperimentRecord(plan, request.requester, (request.intake,))
    _ = record.assignment  # refused here, before anything is asked of anybody
    production = workshop.store.aliases(plan.model).get(Alias.PRODUCTION)
    if control.version != production and not request.any_control:
        raise UsageError(
            f"{control.ref} is not in production (that is version {production or 'none'}): compare with what users get "
            "today, or say --any-control."
        )
    for version in (control, treatment):
        if version.version != production and (against := _against(workshop, version)):
            checks = ", ".join(finding.check for finding in against)
            return Began(None, against, f"{version.ref} takes part in no experiment: {checks or 'no finding'} says no.")
        workshop.index.resolve(
            VersionRef(plan.model, version.version), workshop.settings.serving.artifact, verify=False
        )
    reason = (
        f"{plan.model}@{plan.treatment} is compared with version {plan.control}: {request.intake.units_percent:g} % of "
        f"the units take part, {request.intake.treatment_percent:g} % of them get it."
    )
    return Began(workshop.store.experiments.begin(record, reason, request.requester), (), reason)


def parse_metric(text: str, *, guardrail: bool = False) -> Metric:
    """A metric as people write it: ``NAME[:KIND][:lower][:margin=X][:gain=X]``.

    Raises:
        ExperimentPlanError: a part is not known, or the amounts are impossible.

    Example:
        >>> metric = parse_metric("bought:rare:lower:margin=0.1", guardrail=True)
        >>> metric.name, metric.kind.value, metric.better.value, metric.margin
        ('bought', 'rare', 'lower', 0.1)
    """
    name, *parts = text.split(":")
    metric = own_metric(name) or Metric(name)
    for part in parts:
        key, _, amount = part.partition("=")
        if part in tuple(MetricKind):
            metric = replace(metric, kind=MetricKind(part))
        elif part in tuple(Better):
            metric = replace(metric, better=Better(part))
        elif key == "margin":
            metric = replace(metric, margin=_amount(text, amount))
        elif key == "gain":
            metric = replace(metric, least_gain=_amount(text, amount))
        else:
            raise ExperimentPlanError(
                f"{part!r} in {text!r} says nothing about a metric: use {', '.join(MetricKind)}, higher, lower, "
                "margin=X (of a guardrail) or gain=X."
            )
    if guardrail and not metric.margin:
        raise ExperimentPlanError(f"Guardrail {name!r} needs the loss that is still tolerated: {text}:margin=X.")
    return metric


def parse_window(text: str) -> float:
    """Seconds of a time as people write it.

    Raises:
        ExperimentPlanError: it is none.

    Example:
        >>> parse_window("7d"), parse_window("90s")
        (604800.0, 90.0)
    """
    found = _WINDOW.fullmatch(text)
    if not found:
        raise ExperimentPlanError(f"{text!r} is no time: write a number with s, m, h or d, such as 7d.")
    return float(found[1]) * _SECONDS[found[2]]


def _amount(text: str, amount: str) -> float:
    try:
        number = float(amount)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ExperimentPlanError(f"{amount!r} in {text!r} is no number.")
    return number


def _ref(model: str, word: str) -> VersionRef:
    ref = VersionRef.parse(word if "@" in word else f"{model}@{word}")
    if ref.name != model:
        raise ExperimentPlanError(f"{word} is a version of another model than {model}: compare versions of one.")
    return ref


def _plan(
    workshop: Workshop, request: ExperimentRequest, control: ModelVersion, treatment: ModelVersion
) -> ExperimentPlan:
    section = workshop.settings.experiments
    return ExperimentPlan(
        f"{request.model}-ab-{secrets.token_hex(4)}",
        request.model,
        control.version,
        treatment.version,
        tuple(parse_metric(text) for text in request.metrics),
        tuple(parse_metric(text, guardrail=True) for text in request.guardrails),
        section.alpha,
        section.outcome_window_s if request.outcome_window_s is None else request.outcome_window_s,
        section.pre_period_s,
        section.most_units,
    )


def _against(workshop: Workshop, version: ModelVersion) -> tuple[Finding, ...]:
    """What forbids a version to meet users; the same as for a release, empty where nothing does."""
    decision = judged(workshop, version)
    if decision.action is Action.PROMOTE:
        return ()
    failed = tuple(finding for finding in decision.findings if finding.verdict is not Verdict.PASS)
    nothing = Finding("experiment.versions", version.ref, Verdict.INCONCLUSIVE, decision.reason)
    return failed or (nothing,)
