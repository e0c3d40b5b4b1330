"""Beginning a release: everything that can be refused is refused before the first request."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from seatrial.domain.errors import LedgerConflictError, UsageError
from seatrial.domain.evidence import Finding, Verdict, worst
from seatrial.domain.model import Alias, ModelVersion, VersionRef
from seatrial.domain.release import (
    Action,
    Decision,
    FrozenBaseline,
    ReleasePlan,
    ReleaseState,
)
from seatrial.flows.deploy import judged, version_of
from seatrial.flows.release_acts import OVERRIDE, human_act
from seatrial.flows.releases import foretell
from seatrial.store.releases import ReleaseRecord
from seatrial.wiring.steering import Steering, freeze_baseline, plan_of
from seatrial.wiring.workshop import Workshop

__all__ = ["ReleaseRequest", "Started", "start"]

_FULL_PERCENT = 100.0


@dataclass(frozen=True, slots=True)
class ReleaseRequest:
    """What somebody asks for.

    Attributes:
        ref: the version that wants to be in production.
        requester: who asks.
        now_s: when, seconds since the epoch.
        scenario: what is known of the traffic, as ``NAME=VALUE``, for the forecast.
        force_reason: why a plan without the wanted power is taken all the same; empty: it is not.
    """

    ref: str
    requester: str
    now_s: float
    scenario: tuple[str, ...] = ()
    force_reason: str = ""


@dataclass(frozen=True, slots=True)
class Started:
    """A release that began, or the findings that forbid it.

    Attributes:
        record: None where it was refused.
        decision: to begin it or not, with the findings that justify that.
    """

    record: ReleaseRecord | None
    decision: Decision

    @property
    def against(self) -> tuple[Finding, ...]:
        """The findings that say no."""
        return tuple(finding for finding in self.decision.findings if finding.verdict is not Verdict.PASS)


def start(workshop: Workshop, steering: Steering, request: ReleaseRequest) -> Started:
    """Begins a release of a version over the one in production, if all its findings and those of the plan pass.

    Nothing is routed here: whoever controls releases does that, from what is on record.

    Raises:
        UnknownModelError, UnknownVersionError: there is no such version.
        ReleasePlanError: the version is in production already, or the plan is impossible.
        UsageError: nothing is in production yet, or production has answered too few requests.
        LedgerConflictError: a release of the model is under way.
        UnreachableError: the data plane does not answer.
    """
    version = version_of(workshop, VersionRef.parse(request.ref))
    plan = plan_of(workshop.settings)
    state = _state(workshop, version, plan, request)
    power = foretell(workshop.settings, request.scenario).finding
    acts: tuple[Finding, ...] = ()
    if power.verdict is not Verdict.PASS and request.force_reason:
        acts = (human_act(OVERRIDE, state, request.requester, request.force_reason, of=power.check),)
    decision = _decision(workshop, version, power, acts)
    if decision.action is not Action.ADVANCE:
        return Started(None, decision)
    _refuse_second(workshop, state.model)
    workshop.index.resolve(VersionRef(version.name, version.version), workshop.settings.serving.artifact, verify=False)
    record = ReleaseRecord(state, plan, _baseline(steering, version, plan, state), _mirror_percent(workshop))
    return Started(workshop.store.releases.begin(record, decision, acts, request.requester), decision)


def _state(workshop: Workshop, version: ModelVersion, plan: ReleasePlan, request: ReleaseRequest) -> ReleaseState:
    champion = workshop.store.aliases(version.name).get(Alias.PRODUCTION)
    if champion is None:
        raise UsageError(
            f"Nothing of {version.name} is in production yet: seatrial convert {version.ref} releases a first version "
            "whose findings all pass."
        )
    return ReleaseState(
        f"{version.name}-{version.version}-{secrets.token_hex(4)}",
        version.name,
        champion,
        version.version,
        request.requester,
        plan.sha256,
        since_s=request.now_s,
    )


def _decision(workshop: Workshop, version: ModelVersion, power: Finding, acts: tuple[Finding, ...]) -> Decision:
    """Whether all that is known of the version, of its artifact and of the plan passes."""
    about = judged(workshop, version)
    findings = (*about.findings, power, *acts)
    if about.action is not Action.PROMOTE:
        return Decision(Action.HOLD, version.ref, about.reason, findings)
    if power.verdict is not Verdict.PASS and worst(acts) is not Verdict.PASS:
        return Decision(Action.HOLD, version.ref, f"Not released: {power.reason}", findings)
    reason = f"All {len(about.findings)} findings about the version pass. {power.reason}"
    return Decision(Action.ADVANCE, version.ref, reason, findings)


def _baseline(steering: Steering, version: ModelVersion, plan: ReleasePlan, state: ReleaseState) -> FrozenBaseline:
    return freeze_baseline(
        steering.metrics, state, version.signature.labels, plan.guards.latency_tolerance_rungs
    )  # fmt: skip


def _mirror_percent(workshop: Workshop) -> float:
    return round(_FULL_PERCENT * workshop.settings.release.mirror_ratio, 2)


def _refuse_second(workshop: Workshop, model: str) -> None:
    """The store refuses it too, in the transaction; here it is told before the data plane is asked."""
    for record in workshop.store.releases.of_model(model):
        if not record.state.phase.over:
            raise LedgerConflictError(
                f"Release {record.state.release} of {model} is under way: wait for its end, or roll it back first."
            )
