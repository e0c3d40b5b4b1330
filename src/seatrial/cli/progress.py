"""How far long work is: bars on a terminal, plain lines elsewhere; on standard error, so that --json stays clean."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from seatrial.cli.output import complain
from seatrial.domain.progress import Progress, Step

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

__all__ = ["LINE_EVERY_S", "Lines", "progress_display"]

LINE_EVERY_S = 10.0


@contextlib.contextmanager
def progress_display() -> Iterator[Progress]:
    """The progress display for this terminal; whatever else is printed in the block goes to standard error, too.

    People's own trainers print as they please: it must reach neither the bars nor the JSON document.
    """
    with contextlib.redirect_stdout(sys.stderr):
        if sys.stderr.isatty():
            with _bars() as bars:
                yield _Bars(bars)
        else:
            yield Lines()


def _bars() -> Bars:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}", style="dim", markup=False),
    )
    return Bars(*columns, console=Console(stderr=True), transient=True)


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
        from rich.text import Text

        started_s = time.monotonic()
        task = self._bars.add_task(title, total=total, note="")
        try:
            yield _BarStep(self._bars, task)
        except BaseException:
            self._bars.console.print(Text.assemble(("✗", "red"), f" {title}"))
            raise
        else:
            took = f" {time.monotonic() - started_s:.1f} s"
            self._bars.console.print(Text.assemble(("✓", "green"), f" {title}", (took, "dim")))
        finally:
            self._bars.remove_task(task)


class Lines:
    """Plain lines: one at the end of each step, and one every `LINE_EVERY_S` of a long one.

    Args:
        now_s: a clock in seconds.
    """

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s

    @contextlib.contextmanager
    def step(self, title: str, total: int | None = None) -> Iterator[Step]:
        """A step whose end, good or bad, is one line."""
        started_s = self._now_s()
        try:
            yield _LineStep(title, total, self._now_s)
        except BaseException:
            complain(f"failed: {title}")
            raise
        complain(f"done: {title} ({self._now_s() - started_s:.1f} s)")


class _LineStep:
    def __init__(self, title: str, total: int | None, now_s: Callable[[], float]) -> None:
        self._title, self._total, self._now_s = title, total, now_s
        self._done = 0
        self._shown_s = now_s()

    def advance(self, amount: int = 1, note: str = "") -> None:
        self._done += amount
        if self._now_s() - self._shown_s >= LINE_EVERY_S:
            self._shown_s = self._now_s()
            of_total = f"{self._done} of {self._total}" if self._total else str(self._done)
            complain(f"  {self._title}: {of_total}{', ' if note else ''}{note}")
