"""The `seatrial` command: puts the subcommands together and turns errors into exit codes."""

from __future__ import annotations

import io
import logging
import os
import signal
import sys
import threading
from types import FrameType
from typing import Annotated

import typer

from seatrial import __version__
from seatrial.cli import (
    acceptance,
    exit_codes,
    experiment,
    lifecycle,
    models,
    notifications,
    planes,
    release,
    scoring,
    upkeep,
)
from seatrial.cli.logs import configure_logging
from seatrial.cli.output import complain

__all__ = ["app", "run"]

_log = logging.getLogger(__name__)
_AGAIN_S = 0.05

app = typer.Typer(
    name="seatrial",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def main(
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.", envvar="LOG_LEVEL")] = "",
    _version_wanted: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Takes a trained model to production and keeps it healthy there: findings, and nothing else, move a model."""
    configure_logging(log_level)


lifecycle.add_to(app)
acceptance.add_to(app)
planes.add_to(app)
scoring.add_to(app)
app.add_typer(models.app, name="models", help="Registry and ledger.")
app.add_typer(release.app, name="release", help="Canary releases: plan, rehearse, start and steer them.")
app.add_typer(experiment.app, name="experiment", help="A/B experiments: start, read and stop them.")
app.add_typer(notifications.app, name="notifications", help="Webhook and Alertmanager: try them, see what waits.")
upkeep.add_to(app)


def run() -> None:
    """Runs the command line; the entry point of the `seatrial` script."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names of files need not be text
    signal.signal(signal.SIGTERM, _terminated)
    sys.unraisablehook = _unraisable
    try:
        app()
    except Exception as error:  # noqa: BLE001  the outermost: whatever it is becomes a sentence and an exit code
        _log.debug("trace", exc_info=True)
        known = exit_codes.explained(error)
        if known is None:
            complain(
                f"seatrial: {type(error).__name__}: {error}. This is a fault of Seatrial: please report it, with what "
                f"seatrial --log-level debug {' '.join(sys.argv[1:])} prints."
            )
            sys.exit(exit_codes.FAULT)
        complain(f"seatrial: {known}")
        sys.exit(exit_codes.code_of(known))


def _unraisable(lost: sys.UnraisableHookArgs) -> None:
    """Sends a signal once more whose exception was raised where none can be: in a destructor, say, that ignores it."""
    again = {KeyboardInterrupt: signal.SIGINT, SystemExit: signal.SIGTERM}.get(lost.exc_type)
    if again is None:
        sys.__unraisablehook__(lost)
    else:  # not at once: it would be lost in the same place
        timer = threading.Timer(_AGAIN_S, os.kill, (os.getpid(), again))
        timer.daemon = True
        timer.start()


def _terminated(_signal: int, _frame: FrameType | None) -> None:
    """Ends as after Ctrl-C, so that nothing a command has started outlives it."""
    sys.exit(exit_codes.TERMINATED)
