"""Parquet through pyarrow, a batch of rows in memory at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

from seatrial.data.columnar import parquet_library
from seatrial.data.tables.text_rows import as_json
from seatrial.domain.errors import SourceError, UsageError
from seatrial.domain.tables import Column, Columns, Kind, Row

__all__ = ["ParquetSink", "ParquetSource"]

_READ_ROWS = 1024
_GROUP_ROWS = 8192
_GROUP_CHARS = 8_000_000
"""A row group is written at so many rows or characters: large enough to compress, small enough to hold."""


class ParquetSource:
    """A Parquet file; its cells have the types it gives them.

    Raises:
        MissingExtraError: pyarrow is not installed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._pyarrow, self._parquet = parquet_library()
        self._read, self._rows = 0, 0

    @cached_property
    def columns(self) -> Columns:
        """Of the file's schema."""
        with self._opened() as file:
            schema = file.schema_arrow
        names = schema.names
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise SourceError(f"{self._path} has more than one column {', '.join(map(repr, twice))}: rename one.")
        return [Column(field.name, field.type) for field in schema]

    def __iter__(self) -> Iterator[Row]:
        with self._opened() as file:
            self._read, self._rows = 0, file.metadata.num_rows
            batches = file.iter_batches(batch_size=_READ_ROWS)
            while (batch := self._next(batches)) is not None:
                for row in self._rows_of(batch):
                    self._read += 1
                    yield Row(f"row {self._read}", *row)

    def _next(self, batches: Iterator[Any]) -> Any:
        try:
            return next(batches, None)
        except (self._pyarrow.ArrowException, OSError) as error:
            raise SourceError(f"{self._path} is damaged after row {self._read}: {error}") from error

    def _rows_of(self, batch: Any) -> Iterator[tuple[dict[str, object], str]]:
        try:
            yield from ((cells, "") for cells in batch.to_pylist())
        except UnicodeDecodeError:  # one of the batch: each row by itself then
            for row in range(batch.num_rows):
                try:
                    (cells,) = batch.slice(row, 1).to_pylist()
                    yield cells, ""
                except UnicodeDecodeError as error:
                    yield {}, f"a text in it is not UTF-8 at its byte {error.start}"

    def _opened(self) -> Any:
        try:
            return self._parquet.ParquetFile(self._path)
        except (self._pyarrow.ArrowException, OSError) as error:
            raise SourceError(f"{self._path} is no readable Parquet file: {error}") from error

    def done_ratio(self) -> float:
        """By rows."""
        return self._read / self._rows if self._rows else 0.0


class ParquetSink:
    """Writes Parquet, a row group at a time.

    Raises:
        MissingExtraError: pyarrow is not installed.
    """

    def __init__(self, file: BinaryIO, columns: Columns) -> None:
        self._pyarrow, parquet = parquet_library()
        self._columns = columns
        self._schema = self._pyarrow.schema([(column.name, self._type(column.kind)) for column in columns])
        self._writer = parquet.ParquetWriter(file, self._schema)
        self._held: list[Mapping[str, object]] = []
        self._chars = 0

    def write(self, cells: Mapping[str, object]) -> None:
        """Adds a row; a column it does not have is null."""
        self._held.append(cells)
        self._chars += sum(len(value) for value in cells.values() if isinstance(value, str | bytes))
        if len(self._held) >= _GROUP_ROWS or self._chars >= _GROUP_CHARS:
            self._flush()

    def finish(self) -> None:
        """Writes the last row group and the file's end."""
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if self._held:
            arrays = [self._array(*typed) for typed in zip(self._columns, self._schema.types, strict=True)]
            self._writer.write_table(self._pyarrow.table(arrays, schema=self._schema))
        self._held, self._chars = [], 0

    def _array(self, column: Column, arrow_type: Any) -> Any:
        try:
            return self._pyarrow.array([_cell(column.kind, cells.get(column.name)) for cells in self._held], arrow_type)
        except self._pyarrow.ArrowException as error:
            raise UsageError(
                f"Column {column.name!r} of type {arrow_type} cannot be written to Parquet ({error}): write JSONL."
            ) from error

    def _type(self, kind: Kind | Any) -> Any:
        pyarrow = self._pyarrow
        own = {Kind.INTEGER: pyarrow.int64(), Kind.NUMBER: pyarrow.float64(), Kind.BOOLEAN: pyarrow.bool_()}
        return own.get(kind, pyarrow.string()) if isinstance(kind, Kind) else kind


def _cell(kind: Kind | Any, value: object) -> object:
    """A value as its column's type takes it."""
    if value is None or not isinstance(kind, Kind):
        return value
    if kind is Kind.NUMBER:
        assert isinstance(value, int | float)
        return float(value)
    if kind is Kind.JSON:
        value = as_json(value)
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value
