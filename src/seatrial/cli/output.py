"""What commands print: people read tables on a terminal, programs read one JSON document with --json."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from seatrial.domain.evidence import Finding, Verdict
from seatrial.domain.progress import Progress, Step

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

__all__ = ["configure_logging", "print_findings", "print_json", "print_table", "progress_display", "say"]

_STYLE = {Verdict.PASS: "green", Verdict.INCONCLUSIVE: "yellow", Verdict.ERROR: "red", Verdict.FAIL: "bold red"}
_FACTS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def say(text: str) -> None:
    """One line for people, on standard output."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def print_json(document: Any) -> None:
    """The one JSON document of a command run with --json."""
    say(json.dumps(document, indent=2, ensure_ascii=False, default=str))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[Any]], title: str | None = None) -> None:
    """Rows under headings, wrapped to the terminal."""
    from rich.console import Console
    from rich.table import Table

    table = Table(*columns, title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    Console(width=None if sys.stdout.isatty() else 160).print(table)


def print_findings(findings: Sequence[Finding]) -> None:
    """Findings as a table, the verdict in its colour."""
    print_table(
        ("verdict", "check", "subject", "reason"),
        [
            (f"[{_STYLE[f.verdict]}]{f.verdict.word}[/]", f.check, f.subject, f.reason.replace("[", r"\["))
            for f in findings
        ],
    )


class _BarStep:
    def __init__(self, bars: Bars, task: TaskID) -> None:
        self._bars, self._task = bars, task

    def advance(self, amount: int = 1, note: str = "") -> None:
        self._bars.update(self._task, advance=amount, note=note)


class _Bars:
    """Bars on a terminal, one line for each finished step above them."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars

    @contextlib.contextmanager
    def step(self, title: str, total: int | None = None) -> Iterator[Step]:
        started = time.monotonic()
        task = self._bars.add_task(title, total=total, note="")
        try:
            yield _BarStep(self._bars, task)
        except BaseException:
            self._bars.console.print(f"[red]✗[/] {title}")
            raise
        else:
            self._bars.console.print(f"[green]✓[/] {title} [dim]{time.monotonic() - started:.1f} s[/]")
        finally:
            self._bars.remove_task(task)


class _LineStep:
    def __init__(self, title: str, total: int | None) -> None:
        self._title, self._total, self._done = title, total, 0
        self._shown = time.monotonic()

    def advance(self, amount: int = 1, note: str = "") -> None:
        self._done += amount
        if time.monotonic() - self._shown >= _Lines.EVERY_S:
            self._shown = time.monotonic()
            of_total = f"{self._done} of {self._total}" if self._total else str(self._done)
            _Lines.write(f"  {self._title}: {of_total}{', ' if note else ''}{note}")


class _Lines:
    """Plain lines where there is no terminal: one at the end of each step, one every ten seconds of a long one."""

    EVERY_S = 10.0

    @staticmethod
    def write(line: str) -> None:
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()

    @contextlib.contextmanager
    def step(self, title: str, total: int | None = None) -> Iterator[Step]:
        started = time.monotonic()
        try:
            yield _LineStep(title, total)
        except BaseException:
            self.write(f"failed: {title}")
            raise
        self.write(f"done: {title} ({time.monotonic() - started:.1f} s)")


@contextlib.contextmanager
def progress_display() -> Iterator[Progress]:
    """The progress display for this terminal, on standard error so that --json stays clean."""
    if not sys.stderr.isatty():
        yield _Lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("[dim]{task.fields[note]}"),
    )
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        yield _Bars(bars)


class _JsonLines(logging.Formatter):
    """A log record as one JSON line: constant event text, facts as fields."""

    def format(self, record: logging.LogRecord) -> str:
        facts = {key: value for key, value in vars(record).items() if key not in _FACTS}
        document = {
            "at": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            "logger": record.name,
            **facts,
        }
        if record.exc_info:
            document["exception"] = self.formatException(record.exc_info)
        return json.dumps(document, ensure_ascii=False, default=str)


class _People(logging.Formatter):
    """A log record for a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        facts = " ".join(f"{key}={value}" for key, value in vars(record).items() if key not in _FACTS)
        text = f"{record.levelname.lower()}: {record.getMessage()}{' ' if facts else ''}{facts}"
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text


def configure_logging(level: str) -> None:
    """Logs of Seatrial to standard error: for people on a terminal, else JSON lines. Other libraries: warnings only.

    A terminal shows warnings only unless `level` asks for more; where there is none, INFO is written too, so that
    decisions and ledger heads reach whatever keeps the logs.
    """
    terminal = sys.stderr.isatty()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_People() if terminal else _JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    default = "WARNING" if terminal else "INFO"
    logging.getLogger("seatrial").setLevel((level or os.environ.get("LOG_LEVEL") or default).upper())
