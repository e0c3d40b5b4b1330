"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from seatrial.flows.project import Project

__all__ = ["HERE", "Json", "ModelRef", "ProjectDir", "open_project"]

HERE = Path()
ProjectDir = Annotated[Path, typer.Option("--project", "-C", help="Directory with seatrial.toml.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of tables.")]
ModelRef = Annotated[str, typer.Argument(metavar="MODEL@V", help="A version: NAME@NUMBER or NAME@ALIAS.")]


def open_project(directory: Path, overrides: dict[str, Any] | None = None) -> Project:
    """The project of a directory; imports nothing heavy."""
    from seatrial.flows.project import Project

    return Project(directory, overrides=overrides)
