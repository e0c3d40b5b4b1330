"""`seatrial release start`, `status` and what people do about a release: they work with and without a control plane."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seatrial.cli.exit_codes import FINDING_SAYS_NO
from seatrial.cli.options import HERE, Json, ModelRef, PlanFile, ProjectDir, Scenarios, open_project, plan_overrides
from seatrial.cli.output import print_findings, print_json, print_table, say
from seatrial.domain.errors import UsageError
from seatrial.domain.evidence import Finding

if TYPE_CHECKING:
    from seatrial.control.carrying_out import CarriedOut
    from seatrial.wiring.steering import Steering
    from seatrial.wiring.workshop import Workshop

__all__ = ["FOLLOWS", "ModelName", "Reason", "add_to", "carried_out", "steered"]

ModelName = Annotated[str, typer.Argument(metavar="[MODEL]", help="Name of the model; default: the project's.")]
Reason = Annotated[str, typer.Option(help="Why, in one sentence; goes on record with your name.")]

FOLLOWS = {
    "here": "No control plane is running: this command has set the traffic itself; seatrial up moves releases on.",
    "there": "The control plane has set the traffic.",
    "not_yet": "Traffic follows as soon as the data plane, or the control plane, answers.",
}


def add_to(app: typer.Typer) -> None:
    """Adds the commands of this module."""
    for command in (start, status, pause, resume, approve, promote, rollback):
        app.command()(command)


def start(
    ref: ModelRef,
    plan_file: PlanFile = None,
    scenario: Scenarios = None,
    force: Annotated[bool, typer.Option(help="Release although the plan is too weak; needs --reason.")] = False,
    reason: Reason = "",
    project: ProjectDir = HERE,
    as_json: Json = False,
) -> None:
    """Release a version over the one in production: step by step, and back at the first proof of harm."""
    from seatrial.flows.release_start import ReleaseRequest
    from seatrial.flows.release_start import start as begin

    if force and not reason.strip():
        raise UsageError("--force needs a reason: say why with --reason.")
    with open_project(project, plan_overrides(plan_file)) as opened, steered(opened.workshop) as steering:
        workshop = opened.workshop
        request = ReleaseRequest(ref, workshop.actor, time.time(), tuple(scenario or ()), reason if force else "")
        started = begin(workshop, steering, request)
        record = started.record
        carried = carried_out(workshop, steering, record.state.model) if record else None
    if as_json:
        release = record.state.release if record else None
        print_json({"release": release, "traffic": carried, "decision": started.decision.to_json()})
    elif record is None:
        print_findings(started.against)
        say(started.decision.reason)
    else:
        say(f"Release {record.state.release}: {record.state.subject} over version {record.state.champion}.")
        say(FOLLOWS[str(carried)])
        say(f"Next: seatrial release status {record.state.model}")
    if record is None:
        raise typer.Exit(FINDING_SAYS_NO)


def status(model: ModelName = "", project: ProjectDir = HERE, as_json: Json = False) -> None:
    """Show where the latest release of a model stands, what proves what, and what is missing."""
    from seatrial.flows.release_status import listed
    from seatrial.flows.release_status import status as status_of

    with open_project(project) as opened:
        name = model or opened.settings.model.name
        releases = opened.workshop.store.releases.of_model(name)
        document = status_of(opened.workshop, releases[-1], time.time()) if releases else None
        heads = listed(opened.workshop, name)
    if as_json:
        print_json({"model": name, "release": document, "releases": heads})
    elif document is None:
        say(f"No release of {name} yet: begin one with seatrial release start {name}@V.")
    else:
        _print_status(document)


def pause(model: ModelName = "", reason: Reason = "", project: ProjectDir = HERE, as_json: Json = False) -> None:
    """Stay at the present share; what harms is rolled back all the same."""
    _act("pause", model, reason, project, as_json)


def resume(model: ModelName = "", reason: Reason = "", project: ProjectDir = HERE, as_json: Json = False) -> None:
    """Let a paused release go on."""
    _act("resume", model, reason, project, as_json)


def approve(model: ModelName = "", reason: Reason = "", project: ProjectDir = HERE, as_json: Json = False) -> None:
    """Agree that the running step may be left, where the plan asks for somebody's approval."""
    _act("approve", model, reason, project, as_json)


def promote(
    model: ModelName = "",
    break_glass: Annotated[bool, typer.Option(help="Even past units in wrong shares; needs --reason.")] = False,
    reason: Reason = "",
    project: ProjectDir = HERE,
    as_json: Json = False,
) -> None:
    """End the hold of the running step: the next step follows, or the full rollout after the last."""
    _act("promote", model, reason, project, as_json, break_glass=break_glass)


def rollback(model: ModelName = "", reason: Reason = "", project: ProjectDir = HERE, as_json: Json = False) -> None:
    """Return to the last proven version: of a running release the champion, else the previous version."""
    _act("rollback", model, reason, project, as_json)


def _act(
    what: str, model: str, reason: str, project: Any, as_json: bool, *, break_glass: bool = False
) -> None:  # fmt: skip
    from seatrial.flows.release_acts import Act, do

    with open_project(project) as opened, steered(opened.workshop) as steering:
        workshop, name = opened.workshop, model or opened.settings.model.name
        started_s = time.perf_counter()
        done = do(workshop, name, Act(what, workshop.actor, time.time(), reason, break_glass))
        carried = carried_out(workshop, steering, name)
        took_s = time.perf_counter() - started_s
    if as_json:
        print_json({**done, "traffic": carried, "took_s": round(took_s, 3)})
    else:
        say(done["sentence"])
        say(FOLLOWS[carried])


@contextlib.contextmanager
def steered(workshop: Workshop) -> Iterator[Steering]:
    """What steers the project's traffic, for the length of the block."""
    from seatrial.wiring.steering import steering

    opened = steering(workshop.settings)
    try:
        yield opened
    finally:
        opened.close()


def carried_out(workshop: Workshop, steering: Steering, model: str) -> CarriedOut:
    """Sees that traffic follows what a command has put on record, and says who has done it."""
    from seatrial.control.carrying_out import carry_out

    return carry_out(workshop, steering, model)


def _print_status(document: dict[str, Any]) -> None:
    shares = ", ".join(f"version {version} {percent:g} %" for version, percent in document["split"].items())
    say(f"Release {document['release']}: {document['phase']}, step {document['step']} of {document['of_steps']}")
    say(f"Traffic: {shares}")
    print_table(
        ("step", "requests", "of the challenger", "failed", "of the champion failed", "budget"),
        [
            (f"{step['percent']:g} %", step["requests"], step["challenger_requests"], step["challenger_failed"],
             step["champion_failed"], step["budget_requests"])
            for step in document["steps"]
        ],
    )  # fmt: skip
    if document["evidence"]:
        print_table(
            ("evidence of harm", "e-value"), [(guard, f"{value:.3g}") for guard, value in document["evidence"].items()]
        )
    print_findings([Finding.from_json(finding) for finding in document["findings"]])
    say(document["missing"])
