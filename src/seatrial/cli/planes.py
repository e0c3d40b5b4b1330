"""Commands that keep planes running: up, control."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from seatrial.cli.options import HERE, Beside, EndWithStdin, Json, ProjectDir
from seatrial.cli.output import print_json, say

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    """Adds the commands of this module."""
    app.command()(up)
    app.command()(control)


def up(
    directories: Annotated[
        list[Path] | None, typer.Argument(metavar="[DIR ...]", help="Projects whose production is served; default: .")
    ] = None,
    end_with_stdin: EndWithStdin = False,
    as_json: Json = False,
) -> None:
    """Run data plane and control plane of one project or several, and start again what ends, until Ctrl-C."""
    from seatrial.control.supervising import up as keep_running
    from seatrial.flows import lifeline

    if end_with_stdin:
        lifeline.end_with_stdin()

    def announce(addresses: dict[str, Any]) -> None:
        if as_json:
            print_json(addresses)
            return
        say(f"Serving {', '.join(addresses['models'])} on {addresses['public']}, metrics on {addresses['internal']}.")
        say(f"Control plane on {addresses['control']} (described under /docs). Ctrl-C ends both.")

    keep_running(directories or [HERE], announce)


def control(
    data_plane_url: Annotated[
        str, typer.Option(help="Internal port of the data plane; default: control.data_plane_url.")
    ] = "",
    host: Annotated[str, typer.Option(help="Address of the HTTP API; default: control.host.")] = "",
    port: Annotated[
        int | None, typer.Option(help="Port of the HTTP API; 0 takes a free one; default: control.port.")
    ] = None,
    project: ProjectDir = HERE,
    beside: Beside = None,
    end_with_stdin: EndWithStdin = False,
    as_json: Json = False,
) -> None:
    """Run the control plane alone: moves releases on and answers people over HTTP, until Ctrl-C."""
    from seatrial.control.plane import run_control_plane
    from seatrial.flows import lifeline

    if end_with_stdin:
        lifeline.end_with_stdin()
    chosen = {
        "control.data_plane_url": data_plane_url or None,
        "control.host": host or None,
        "control.port": port,
    }
    overrides = {name: value for name, value in chosen.items() if value is not None}

    def announce(addresses: dict[str, Any]) -> None:
        if as_json:
            print_json(addresses)
        else:
            say(f"Control plane on {addresses['control']} (described under /docs).")

    run_control_plane([project, *(beside or [])], overrides, announce)
