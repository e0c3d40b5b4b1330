"""Rows of table files with all their columns, and the two ends they go through: a source and a sink."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol, TypeAlias

__all__ = ["Column", "Columns", "Kind", "Row", "RowSink", "RowSource"]


class Kind(Enum):
    """What the cells of a column hold, where a format wants to know; any of them may be None."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    JSON = "json"
    """More than one of these, or lists and objects: written as JSON text where there is no better way."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column.

    Attributes:
        kind: what its cells hold; a source's own type where it has one (an Arrow type).
    """

    name: str
    kind: Kind | Any = Kind.TEXT


Columns: TypeAlias = Sequence[Column]


@dataclass(frozen=True, slots=True)
class Row:
    """One row.

    Attributes:
        place: where it stands, for people.
        cells: values by column.
        fault: why the row cannot be read as it should; empty for a good one.
    """

    place: str
    cells: Mapping[str, object] = field(default_factory=dict)
    fault: str = ""


class RowSource(Protocol):
    """A file that is read row by row."""

    @property
    def columns(self) -> Columns:
        """What its rows have, in order; for JSONL it is read once from end to end to know."""
        ...

    def __iter__(self) -> Iterator[Row]:
        """The rows; one pass.

        Raises:
            SourceError: the file is not of its format, or damaged.
        """
        ...

    def done_ratio(self) -> float:
        """How much of it has been read, 0 to 1."""
        ...


class RowSink(Protocol):
    """A file that is written row by row."""

    def write(self, cells: Mapping[str, object]) -> None:
        """Adds a row."""
        ...

    def finish(self) -> None:
        """Writes what was held back, and the file's own end."""
        ...
