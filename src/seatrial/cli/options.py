"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seatrial.flows.lifeline import END_WITH_STDIN

if TYPE_CHECKING:
    from seatrial.flows.project import Project

__all__ = [
    "HERE",
    "Beside",
    "EndWithStdin",
    "Json",
    "ModelRef",
    "PlanFile",
    "ProjectDir",
    "Scenarios",
    "open_project",
    "plan_overrides",
]

HERE = Path()
ProjectDir = Annotated[Path, typer.Option("--project", "-C", help="Directory with seatrial.toml.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of tables.")]
Beside = Annotated[
    list[Path] | None,
    typer.Option("--beside", metavar="DIR", help="One more project that the process takes care of; repeat for more."),
]
EndWithStdin = Annotated[
    bool,
    typer.Option(END_WITH_STDIN, help="End in order when standard input does, so when whoever holds its pipe ends."),
]
ModelRef = Annotated[str, typer.Argument(metavar="MODEL@V", help="A version: NAME@NUMBER or NAME@ALIAS.")]

PlanFile = Annotated[
    Path | None,
    typer.Option("--plan", metavar="FILE", help="TOML with the keys of the release section; default: the project's."),
]
Scenarios = Annotated[
    list[str] | None,
    typer.Option(
        "--scenario", metavar="NAME=VALUE", help="What is assumed of the traffic, see docs/releases.md; repeat."
    ),
]


def open_project(directory: Path, overrides: dict[str, Any] | None = None) -> Project:
    """The project of a directory; imports nothing heavy."""
    from seatrial.flows.project import Project

    return Project(directory, overrides=overrides)


def plan_overrides(plan_file: Path | None) -> dict[str, Any] | None:
    """What a plan file sets, as overrides of the settings; None without a file."""
    from seatrial.flows import releases

    return releases.plan_overrides(plan_file) if plan_file else None
