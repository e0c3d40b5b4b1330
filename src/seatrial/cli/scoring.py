"""The command that scores a file: predict."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Annotated

import typer

from seatrial.cli.options import HERE, Json, ProjectDir
from seatrial.cli.output import print_json, say
from seatrial.cli.progress import progress_display
from seatrial.domain.errors import UsageError

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(predict)


def predict(
    file: Annotated[Path, typer.Argument(help="CSV, TSV, JSONL or Parquet; all but Parquet also as .gz.")],
    out: Annotated[Path, typer.Option(help="Where the rows go with their predictions; its ending is its format.")],
    model: Annotated[
        str, typer.Option(help="MODEL@V to score with, or with --url the model's name; default: production.")
    ] = "",
    url: Annotated[str, typer.Option(help="A running data plane to ask, instead of starting one.")] = "",
    text_column: Annotated[str, typer.Option(help="The column that holds the texts.")] = "text",
    format_: Annotated[
        str, typer.Option("--format", help="Format of FILE: csv, tsv, jsonl or parquet; default: by its ending.")
    ] = "",
    batch: Annotated[int, typer.Option(min=1, help="Texts in one request.")] = 32,
    concurrency: Annotated[int, typer.Option(min=1, help="Requests under way at once.")] = 4,
    limit_errors: Annotated[
        int,
        typer.Option(min=-1, help="Bad rows that may go out with a reason instead of a prediction; -1: any number."),
    ] = 0,
    max_length: Annotated[int | None, typer.Option(min=1, help="Tokens each text is cut to.")] = None,
    project: ProjectDir = HERE,
    as_json: Json = False,
) -> None:
    """Score a file of any size in constant memory; all its columns are kept.

    SEATRIAL_API_KEY holds the key for a data plane that asks for one.
    """
    from seatrial.flows.predict import Job, Target, own_server, score_file

    if not file.is_file():
        raise UsageError(f"{file} is no file: name one with a column of texts.")
    if url and "@" in model:
        raise UsageError(f"A running data plane chooses the version: write --model {model.partition('@')[0]}.")
    most = None if limit_errors < 0 else limit_errors
    job = Job(file, out, text_column, format_, batch, concurrency, most, max_length)
    with contextlib.ExitStack() as stack:
        progress = stack.enter_context(progress_display())
        if not url:
            with progress.step("start a data plane"):
                server = stack.enter_context(own_server(project, model))
        target = Target(url or server.url, (model or None) if url else None, os.environ.get("SEATRIAL_API_KEY"))
        scored = score_file(job, target, progress)
    if as_json:
        print_json(scored.to_json())
        return
    versions = ", ".join(sorted(scored.versions)) or "nobody"
    bad = f", {scored.bad_rows:,} of them without a prediction" if scored.bad_rows else ""
    speed = f"{scored.seconds:.1f} s ({scored.texts_per_s:,.0f} texts/s)"
    say(f"{scored.out}: {scored.rows:,} rows{bad}, by {versions}, in {speed}.")
