"""CSV, TSV and JSONL with the standard library, one row in memory at a time."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

from seatrial.data.sources.formats import decompressed, next_line
from seatrial.domain.errors import SourceError
from seatrial.domain.tables import Column, Columns, Kind, Row

__all__ = ["DelimitedSink", "DelimitedSource", "JsonLinesSink", "JsonLinesSource", "as_cell", "as_json"]

_KINDS = {str: Kind.TEXT, int: Kind.INTEGER, float: Kind.NUMBER, bool: Kind.BOOLEAN}
_FIELDS = f"fields with quotes or delimiters stand in double quotes, with at most {csv.field_size_limit():,} characters"
_INT64 = range(-(2**63), 2**63)


class _Lines:
    """Decoded lines, with the number of the last one, whether one since `take_fault` was bad, and how far it is."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._size_bytes = max(1, path.stat().st_size)
        self._raw: io.BufferedReader | None = None
        self._fault = ""
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        with self._path.open("rb") as raw:
            self._raw, self.number = raw, 0
            stream = decompressed(raw)
            while line := next_line(stream, self._path, self.number + 1):
                self.number += 1
                try:
                    text = line.decode("utf-8")
                except UnicodeDecodeError as error:
                    self._fault = f"line {self.number} is not UTF-8 at its byte {error.start}"
                    text = line.decode("utf-8", "replace")
                yield text.removeprefix("\ufeff") if self.number == 1 else text

    def take_fault(self) -> str:
        """The fault of the lines since the last call, empty where they were good."""
        fault, self._fault = self._fault, ""
        return fault

    def done_ratio(self) -> float:
        return 0.0 if self._raw is None or self._raw.closed else self._raw.tell() / self._size_bytes


class DelimitedSource:
    """A CSV or TSV file whose first line names the columns; every cell is text.

    Args:
        delimiter: between cells.
    """

    def __init__(self, path: Path, delimiter: str) -> None:
        self._path, self._delimiter = path, delimiter
        self._lines = _Lines(path)

    @cached_property
    def columns(self) -> Columns:
        """What the first line names."""
        lines = _Lines(self._path)
        names: list[str] = next(self._reader(iter(lines)), [])
        if not names:
            raise SourceError(f"{self._path} is empty: it needs a first line with the names of the columns.")
        if fault := lines.take_fault():
            raise SourceError(f"{self._path}: {fault}: save the file as UTF-8.")
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise SourceError(f"{self._path} has more than one column {', '.join(map(repr, twice))}: rename one.")
        return [Column(name) for name in names]

    def __iter__(self) -> Iterator[Row]:
        names = [column.name for column in self.columns]
        reader = self._reader(iter(self._lines))
        next(reader)
        while True:
            fault = ""
            try:
                fields = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                fields, fault = [], f"{error} ({_FIELDS})"
            if not fields and not fault:
                continue
            fault = self._lines.take_fault() or fault
            if not fault and len(fields) != len(names):
                fault = f"it has {len(fields)} fields, the header has {len(names)}"
            yield Row(f"line {self._lines.number}", dict(zip(names, fields, strict=False)), fault)

    def done_ratio(self) -> float:
        """By bytes."""
        return self._lines.done_ratio()

    def _reader(self, lines: Iterator[str]) -> Any:
        # Strict, because the lenient reader turns an unclosed quote into one huge row and loses the others.
        return csv.reader(lines, delimiter=self._delimiter, strict=True)


class JsonLinesSource:
    """A file with a JSON object on each line."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines = _Lines(path)

    @cached_property
    def columns(self) -> Columns:
        """Every key of any row, in the order they appear."""
        kinds: dict[str, Kind | None] = {}
        for row in _objects(_Lines(self._path)):
            for name, value in row.cells.items():
                kinds[name] = _joint(kinds.get(name), value)
        return [Column(name, kind or Kind.TEXT) for name, kind in kinds.items()]

    def __iter__(self) -> Iterator[Row]:
        return _objects(self._lines)

    def done_ratio(self) -> float:
        """By bytes."""
        return self._lines.done_ratio()


def _objects(lines: _Lines) -> Iterator[Row]:
    for line in lines:
        fault = lines.take_fault()
        if not line.strip():
            continue
        place = f"line {lines.number}"
        try:
            document = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield Row(place, fault=fault or f"it is no JSON: {error}")
            continue
        if isinstance(document, dict):
            yield Row(place, document, fault)
        else:
            yield Row(place, fault=fault or "it is no JSON object with columns as keys")


def _joint(kind: Kind | None, value: object) -> Kind | None:
    """The kind of a column that held one kind so far (None: only nulls) and now holds a value, too."""
    if value is None:
        return kind
    new = _KINDS.get(type(value), Kind.JSON)
    if isinstance(value, int) and value not in _INT64:
        new = Kind.JSON
    if kind is None or kind is new:
        return new
    return Kind.NUMBER if {kind, new} == {Kind.INTEGER, Kind.NUMBER} else Kind.JSON


class DelimitedSink:
    """Writes CSV or TSV."""

    def __init__(self, file: BinaryIO, columns: Columns, delimiter: str) -> None:
        self._text = _text(file)
        self._names = [column.name for column in columns]
        self._writer = csv.writer(self._text, delimiter=delimiter, lineterminator="\n")
        self._writer.writerow(self._names)

    def write(self, cells: Mapping[str, object]) -> None:
        """Adds a row; a column it does not have stays empty."""
        self._writer.writerow([as_cell(cells.get(name)) for name in self._names])

    def finish(self) -> None:
        """Writes what was held back."""
        self._text.detach()


class JsonLinesSink:
    """Writes a JSON object a line."""

    def __init__(self, file: BinaryIO) -> None:
        self._text = _text(file)

    def write(self, cells: Mapping[str, object]) -> None:
        """Adds a row."""
        self._text.write(f"{as_json(cells)}\n")

    def finish(self) -> None:
        """Writes what was held back."""
        self._text.detach()


def _text(file: BinaryIO) -> io.TextIOWrapper:
    # Half a surrogate pair, which JSON may hold, becomes its escape: in JSON that means the same.
    return io.TextIOWrapper(file, "utf-8", errors="backslashreplace", newline="", write_through=False)


def as_json(value: object) -> str:
    """A value as JSON; what JSON has no word for as text."""
    return json.dumps(value, ensure_ascii=False, default=_plain)


def as_cell(value: object) -> object:
    """A value as a cell of a CSV file.

    Example:
        >>> [as_cell(value) for value in (None, True, 0.5, "a", ["a", 1])]
        ['', 'true', 0.5, 'a', '["a", 1]']
    """
    if isinstance(value, bool | list | dict):
        return as_json(value)
    return "" if value is None else value if isinstance(value, str | int | float) else _plain(value)


def _plain(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    isoformat = getattr(value, "isoformat", None)  # dates and times
    return str(isoformat() if isoformat else value)
