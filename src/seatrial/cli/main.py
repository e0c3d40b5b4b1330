"""The `seatrial` command: puts the subcommands together and turns errors into exit codes."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from seatrial import __version__
from seatrial.cli import exit_codes, lifecycle, models, upkeep
from seatrial.cli.output import configure_logging
from seatrial.domain.errors import SeatrialError

__all__ = ["app", "run"]

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
app.add_typer(models.app, name="models", help="Registry and ledger.")
upkeep.add_to(app)


def run() -> None:
    """Runs the command line; the entry point of the `seatrial` script."""
    try:
        app()
    except SeatrialError as error:
        sys.stderr.write(f"seatrial: {error}\n")
        sys.exit(exit_codes.code_of(error))
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has gone; there is nobody to complain to
        sys.exit(exit_codes.DONE)
