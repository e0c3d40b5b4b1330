"""Figures and goals as rows of a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One measured figure, and what is demanded of it.

    Attributes:
        limit: the demand as a sentence.
        met: whether the figure meets it.
    """

    what: str
    value: str
    limit: str
    met: bool


@dataclass(frozen=True)
class Goal:
    """A figure with what it must reach and what it should.

    Attributes:
        measured: None where it was not measured.
        form: how the three figures are written.
        least_is_best: whether smaller is better.
    """

    what: str
    measured: float | None
    at_least: float
    aim: float
    form: str
    least_is_best: bool = False

    @property
    def verdict(self) -> str:
        """How far it was reached."""
        if self.measured is None:
            return "not measured"
        if self._reaches(self.aim):
            return "aim met"
        return "met" if self._reaches(self.at_least) else "**missed**"

    def row(self) -> str:
        """A line of the table of goals."""
        measured = "" if self.measured is None else self.form.format(self.measured)
        limits = " | ".join(self.form.format(limit) for limit in (self.at_least, self.aim))
        return f"| {self.what} | {measured} | {limits} | {self.verdict} |"

    def _reaches(self, limit: float) -> bool:
        assert self.measured is not None
        return self.measured <= limit if self.least_is_best else self.measured >= limit


def figure_table(figures: Sequence[Figure]) -> list[str]:
    """Figures with their demands."""
    verdicts = [("met" if figure.met else "**missed**") if figure.limit else "" for figure in figures]
    return [
        "| what | measured | demanded | |",
        "|---|---|---|---|",
        *(f"| {f.what} | {f.value} | {f.limit} | {verdict} |" for f, verdict in zip(figures, verdicts, strict=True)),
    ]


def goal_table(goals: Sequence[Goal]) -> list[str]:
    """Goals with how far each was reached."""
    return ["| what | measured | at least | aim | |", "|---|---|---|---|---|", *(goal.row() for goal in goals)]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Any other table; the first column is text, the rest are figures."""
    line = "|".join(["---"] + ["---:"] * (len(head) - 1))
    return [f"| {' | '.join(head)} |", f"|{line}|", *(f"| {' | '.join(row)} |" for row in rows)]
