"""What commands print: people read tables on a terminal, programs read one JSON document with --json."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from typing import Any, TextIO

from seatrial.domain.evidence import Finding, Verdict

__all__ = ["complain", "print_findings", "print_json", "print_table", "say", "size_text"]

_STYLE = {Verdict.PASS: "green", Verdict.INCONCLUSIVE: "yellow", Verdict.ERROR: "red", Verdict.FAIL: "bold red"}
_WIDTH_WITHOUT_TERMINAL = 160


def say(text: str) -> None:
    """A line for people, on standard output."""
    _write(sys.stdout, text)


def complain(text: str) -> None:
    """A line for people, on standard error."""
    _write(sys.stderr, text)


def print_json(document: Any) -> None:
    """The one JSON document of a command run with --json."""
    say(json.dumps(document, indent=2, ensure_ascii=False, default=str))


def print_table(
    columns: Sequence[str], rows: Sequence[Sequence[Any]], *, title: str | None = None, styles: Sequence[str] = ()
) -> None:
    """Rows under headings, wrapped to the terminal; None is an empty cell.

    Args:
        styles: of the first cell of each row; none by default.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(
        *columns,
        title=Text(title) if title else None,
        title_justify="left",
        show_header=any(columns),
        header_style="bold",
        box=None,
        pad_edge=False,
    )
    for number, row in enumerate(rows):
        cells = [Text("" if cell is None else _printable(str(cell))) for cell in row]
        if styles:
            cells[0].stylize(styles[number])
        table.add_row(*cells)
    console = Console(width=None if sys.stdout.isatty() else _WIDTH_WITHOUT_TERMINAL)
    with console.capture() as printed:
        console.print(table)
    say("\n".join(line.rstrip() for line in printed.get().splitlines()))


def print_findings(findings: Sequence[Finding]) -> None:
    """Findings as a table, the verdict in its colour."""
    print_table(
        ("verdict", "check", "subject", "reason"),
        [(finding.verdict.word, finding.check, finding.subject, finding.reason) for finding in findings],
        styles=[_STYLE[finding.verdict] for finding in findings],
    )


def size_text(size_bytes: int) -> str:
    """A size as people read it.

    Example:
        >>> size_text(512), size_text(1536), size_text(268_435_456)
        ('512 B', '1.5 KiB', '256.0 MiB')
    """
    size, unit = float(size_bytes), "B"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if size < 1024 or unit == "TiB":
            break
        size /= 1024
    return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"


def _printable(text: str) -> str:
    """The text without control characters: what a registry holds must not steer the terminal."""
    return "".join(
        letter if letter.isprintable() or letter in "\n\t" else "\N{REPLACEMENT CHARACTER}" for letter in text
    )


def _write(stream: TextIO, text: str) -> None:
    """Writes a line; when the reader has gone, the rest goes nowhere and the command ends with its own exit code."""
    try:
        stream.write(f"{text}\n")
        stream.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
