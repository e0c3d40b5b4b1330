"""What people may do about a release. Each act is a finding with the person's name, and takes effect by the record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from seatrial.domain.errors import LedgerConflictError, UsageError
from seatrial.domain.evidence import Finding, Verdict
from seatrial.domain.model import Alias
from seatrial.domain.release import Action, Decision, Phase, ReleaseState
from seatrial.flows.release_moves import moves_with
from seatrial.store.releases import ReleaseChange, ReleaseRecord
from seatrial.wiring.workshop import Workshop

__all__ = ["APPROVAL", "OVERRIDE", "Act", "act", "do", "human_act", "roll_back_without_release", "running"]

APPROVAL = "human.approval"
OVERRIDE = "human.override"
_ATTEMPTS = 10
_DONE = {
    "pause": "Paused",
    "resume": "Resumed",
    "approve": "Approved",
    "promote": "The hold is ended",
    "rollback": "Rolled back",
}


@dataclass(frozen=True, slots=True)
class Act:
    """What somebody wants done about the running release of a model.

    Attributes:
        what: ``pause``, ``resume``, ``approve``, ``promote`` or ``rollback``.
        name: who.
        now_s: when, seconds since the epoch.
        reason: why, one sentence.
        break_glass: for `promote`: even past a finding that fails.
    """

    what: str
    name: str
    now_s: float
    reason: str = ""
    break_glass: bool = False


def do(workshop: Workshop, model: str, wanted: Act) -> dict[str, Any]:
    """Carries out an act, with a release under way or, for a rollback, without; returns what was done, as JSON.

    Raises:
        UsageError: the act is not possible now.
    """
    under_way = any(not record.state.phase.over for record in workshop.store.releases.of_model(model))
    if wanted.what == "rollback" and not under_way:
        version = roll_back_without_release(workshop, model, wanted)
        sentence = f"{model}@{version} is in production again."
        return {"act": wanted.what, "release": None, "version": version, "sentence": sentence}
    record = act(workshop, model, wanted)
    state = record.state
    sentence = f"{_DONE[wanted.what]}: release {state.release} of {state.subject}, step {state.step + 1}."
    return {"act": wanted.what, "release": state.release, "phase": state.phase.value, "sentence": sentence}


def act(workshop: Workshop, model: str, wanted: Act) -> ReleaseRecord:
    """Carries out an act on the record; traffic follows, by whoever controls releases.

    Raises:
        UsageError: there is no running release of the model, or it does not allow the act now.
    """
    if wanted.what not in _ACTS:
        raise UsageError(f"There is no act {wanted.what!r}: use one of {', '.join(_ACTS)}.")
    if wanted.break_glass and not wanted.reason.strip():
        raise UsageError("Breaking the glass needs a reason: say why with --reason.")
    for attempt in range(_ATTEMPTS):
        record = running(workshop, model)
        change = _ACTS[wanted.what](workshop, record, wanted)
        try:
            return workshop.store.releases.save(record, change, actor=wanted.name)
        except LedgerConflictError:
            if attempt + 1 == _ATTEMPTS:
                raise
    raise AssertionError  # the loop returns or raises


def running(workshop: Workshop, model: str) -> ReleaseRecord:
    """The release of a model that is under way.

    Raises:
        UsageError: there is none.
    """
    for record in workshop.store.releases.of_model(model):
        if not record.state.phase.over:
            return record
    raise UsageError(f"No release of {model} is under way: begin one with seatrial release start MODEL@V.")


def roll_back_without_release(workshop: Workshop, model: str, wanted: Act) -> int:
    """Puts the previous version back into production, where no release is under way; returns its number.

    Raises:
        UsageError: there is no previous version, or an experiment is under way.
    """
    latest = workshop.store.experiments.latest().get(model)
    if latest is not None and not latest.over:
        raise UsageError(
            f"Experiment {latest.plan.experiment} of {model} decides who gets which version: end it first with "
            "seatrial experiment stop (--verdict undecided --reason WHY needs no readout)."
        )
    aliases = workshop.store.aliases(model)
    previous, production = aliases.get(Alias.PREVIOUS), aliases.get(Alias.PRODUCTION)
    if previous is None:
        raise UsageError(
            f"There is nothing to go back to: {model} has no previous version (see seatrial models list); its last "
            "release changed nothing, or was rolled back already."
        )
    reason = wanted.reason or "Rolled back by hand."
    finding = Finding(
        OVERRIDE, f"{model}@{production}", Verdict.PASS, f"{wanted.name}: {reason}",
        details={"name": wanted.name, "reason": reason, "act": wanted.what},
    )  # fmt: skip
    moves = {Alias.PRODUCTION: previous, Alias.PREVIOUS: None}
    workshop.store.move_aliases(model, moves, actor=wanted.name, reason=finding.reason, findings=[finding])
    return previous


def human_act(check: str, state: ReleaseState, name: str, reason: str, **details: Any) -> Finding:
    """An act of a person about a release, in its running step."""
    return Finding(
        check,
        state.subject,
        Verdict.PASS,
        f"{name}: {reason}",
        details={"release": state.release, "step": state.step, "name": name, "reason": reason, **details},
    )


def _pause(_: Workshop, record: ReleaseRecord, wanted: Act) -> ReleaseChange:
    _demand(record, Phase.RUNNING, "paused")
    return _to_phase(record, wanted, Phase.PAUSED, "Paused by hand: guards stay awake, and no step follows.")


def _resume(_: Workshop, record: ReleaseRecord, wanted: Act) -> ReleaseChange:
    _demand(record, Phase.PAUSED, "resumed")
    return _to_phase(record, wanted, Phase.RUNNING, "Resumed by hand.")


def _approve(_: Workshop, record: ReleaseRecord, wanted: Act) -> ReleaseChange:
    state, approval = record.state, record.plan.steps[record.state.step].approval
    _demand_step(record, "approved")
    if approval == "none":
        raise UsageError("The plan asks for nobody's approval: there is nothing to approve.")
    if approval == "another" and wanted.name == state.requester:
        raise UsageError(f"{state.requester} asked for the release: somebody else must approve it.")
    finding = human_act(APPROVAL, state, wanted.name, wanted.reason or f"Step {state.step + 1} may be left.")
    return _held(record, finding, f"Approved by {wanted.name}.")


def _promote(_: Workshop, record: ReleaseRecord, wanted: Act) -> ReleaseChange:
    _demand_step(record, "promoted")
    _demand(record, Phase.RUNNING, "promoted")
    reason = wanted.reason or f"Step {record.state.step + 1} is long enough."
    finding = human_act(OVERRIDE, record.state, wanted.name, reason, break_glass=wanted.break_glass, act=wanted.what)
    return _held(record, finding, f"{wanted.name} ends the hold of this step.")


def _roll_back(workshop: Workshop, record: ReleaseRecord, wanted: Act) -> ReleaseChange:
    state = record.state
    finding = human_act(OVERRIDE, state, wanted.name, wanted.reason or "Rolled back by hand.", act=wanted.what)
    decision = Decision(Action.ROLL_BACK, state.subject, finding.reason, (finding,))
    moves = moves_with(decision.action, state, workshop.store.aliases(state.model))
    after = state.after(decision, record.plan, wanted.now_s)
    return ReleaseChange(after, record.reports, decision, moves, (finding,))


_ACTS: dict[str, Callable[[Workshop, ReleaseRecord, Act], ReleaseChange]] = {
    "pause": _pause,
    "resume": _resume,
    "approve": _approve,
    "promote": _promote,
    "rollback": _roll_back,
}


def _to_phase(record: ReleaseRecord, wanted: Act, phase: Phase, reason: str) -> ReleaseChange:
    finding = human_act(f"human.{wanted.what}", record.state, wanted.name, wanted.reason or reason)
    change = _held(record, finding, reason)
    return replace(change, state=replace(record.state, phase=phase))


def _held(record: ReleaseRecord, finding: Finding, reason: str) -> ReleaseChange:
    decision = Decision(Action.HOLD, record.state.subject, reason, (finding,))
    return ReleaseChange(record.state, record.reports, decision, acts=(finding,))


def _demand(record: ReleaseRecord, phase: Phase, what: str) -> None:
    if record.state.phase is not phase:
        raise UsageError(
            f"Release {record.state.release} is {record.state.phase.value} and cannot be {what} now: see seatrial "
            "release status."
        )


def _demand_step(record: ReleaseRecord, what: str) -> None:
    if record.state.phase is Phase.BAKING:
        raise UsageError(
            f"Release {record.state.release} has all the traffic already and cannot be {what}: it ends by itself when "
            f"its bake period of {record.plan.bake_s:.0f} s is over."
        )
