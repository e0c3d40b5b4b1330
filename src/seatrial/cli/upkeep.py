"""Commands that look after an installation: config show, doctor."""

from __future__ import annotations

from pathlib import Path

import typer

from seatrial.cli.exit_codes import UNREACHABLE, USAGE
from seatrial.cli.options import Json, ProjectDir
from seatrial.cli.output import print_json, print_table, say

__all__ = ["add_to"]

HERE = Path()
_config = typer.Typer(no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Adds the commands of this module."""
    app.add_typer(_config, name="config", help="Settings.")
    app.command()(doctor)


@_config.command("show")
def config_show(project: ProjectDir = HERE, as_json: Json = False) -> None:
    """Print every setting, its value and where it came from; secrets are masked."""
    from seatrial.config import load_settings

    rows = load_settings(project).rows()
    if as_json:
        print_json({name: {"value": value, "origin": origin} for name, value, origin in rows})
    else:
        print_table(("setting", "value", "from"), rows)


def doctor(project: ProjectDir = HERE, as_json: Json = False) -> None:
    """Check this machine and this project: what works, what is missing, what to do about it."""
    from seatrial.flows.doctor import examine

    checks = examine(project)
    if as_json:
        print_json([check.to_json() for check in checks])
    else:
        print_table(("", "what", "found", "advice"), [(c.state.value, c.what, c.found, c.advice) for c in checks])
    broken = [check for check in checks if check.state.value == "broken"]
    if broken:
        say(f"{len(broken)} of {len(checks)} checks are broken.") if not as_json else None
        raise typer.Exit(UNREACHABLE if all(check.outside for check in broken) else USAGE)
