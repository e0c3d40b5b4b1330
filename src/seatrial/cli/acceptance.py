"""`seatrial test`: the deployment test of a version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from seatrial.cli.exit_codes import FINDING_SAYS_NO
from seatrial.cli.options import HERE, Json, ModelRef, ProjectDir, open_project
from seatrial.cli.output import print_findings, print_json, print_table, say
from seatrial.cli.progress import progress_display

if TYPE_CHECKING:
    from seatrial.flows.acceptance import Acceptance

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    """Adds the command of this module."""
    app.command("test")(accept)


def accept(
    ref: ModelRef,
    artifact: Annotated[str, typer.Option(help="Artifact to test; default: serving.artifact.")] = "",
    quick: Annotated[bool, typer.Option("--quick", help="A quarter of the time and of the requests.")] = False,
    project: ProjectDir = HERE,
    as_json: Json = False,
) -> None:
    """Serve a version in a process of its own and check what users would get; alias staging if all passes."""
    overrides = {"serving.artifact": artifact} if artifact else {}
    with progress_display() as progress, open_project(project, overrides) as opened:
        tested = opened.test(ref, quick=quick, progress=progress)
    if as_json:
        print_json(_document(tested))
    else:
        _print(tested)
    if not tested.passed:
        raise typer.Exit(FINDING_SAYS_NO)


def _document(tested: Acceptance) -> dict[str, object]:
    return {
        "model": tested.version.name,
        "version": tested.version.version,
        "artifact": tested.artifact,
        "passed": tested.passed,
        "roles": list(tested.roles),
        **{key: tested.document[key] for key in ("findings", "capacity", "settings")},
        "against": [finding.to_json() for finding in tested.against],
        "report": str(tested.report),
    }


def _print(tested: Acceptance) -> None:
    print_findings(tested.findings)
    print_table(
        ("clients", "texts/s", "p50 ms", "p99 ms"),
        [
            (point["clients"], f"{point['texts_per_s']:.0f}", f"{point['p50_ms']:.1f}", f"{point['p99_ms']:.1f}")
            for point in tested.document["capacity"]
        ],
        title="Capacity",
    )
    earlier = [finding for finding in tested.against if finding not in tested.findings]
    if earlier:
        say("Against it stands besides:")
        print_findings(earlier)
    said = "passes" if tested.passed else "does not pass"
    roles = ", ".join(tested.roles) or "no role"
    say(f"{tested.version.ref} {said}; it has {roles}. Report: {tested.report}")
