"""Reading CSV, TSV, JSONL and Parquet files row by row, with the place of every row and of every fault."""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, TypeAlias

from seatrial.data.columnar import parquet_library
from seatrial.domain.errors import SourceError, UnknownColumnError, UsageError

__all__ = ["Record", "TableFormat", "decompressed", "format_of", "next_line", "read_records"]

TableFormat: TypeAlias = Literal["csv", "tsv", "jsonl", "parquet"]
Record: TypeAlias = tuple[str, list[object]]
"""The place of a row, and its values in the order of the columns asked for; None where a row has no such value."""

_ENDINGS: dict[str, TableFormat] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
}
_GZIP_MAGIC = b"\x1f\x8b"
# One line is held in memory: a file of this many bytes without a line end is not made of rows.
_LONGEST_LINE_BYTES = 64 * 2**20


def format_of(name: str, remedy: str = "set data.format to csv, tsv, jsonl or parquet") -> TableFormat:
    """The format a file's name promises, `.gz` aside.

    Args:
        remedy: what to do where it promises none.

    Raises:
        UsageError: its ending is none of those known.

    Example:
        >>> format_of("reviews.csv.gz")
        'csv'
    """
    ending = Path(name.removesuffix(".gz")).suffix.lower()
    if ending not in _ENDINGS:
        raise UsageError(f"The ending of {name!r} does not say its format: {remedy}.")
    return _ENDINGS[ending]


def read_records(path: Path, table_format: TableFormat, columns: Sequence[str]) -> Iterator[Record]:
    """Rows of a file, one at a time; CSV, TSV and JSONL may be compressed with gzip.

    Args:
        columns: the columns wanted.

    Raises:
        SourceError: the file cannot be read as that format; the message names the line.
        UnknownColumnError: a column is not there; the message names those that are.
        MissingExtraError: Parquet is asked for and pyarrow is not installed.
    """
    if table_format == "parquet":
        yield from _parquet_records(path, columns)
        return
    with _opened(path) as stream:
        lines = _lines(stream, path)
        if table_format == "jsonl":
            yield from _json_records(lines, path, columns)
        else:
            yield from _delimited_records(lines, path, columns, "\t" if table_format == "tsv" else ",")


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[io.BufferedIOBase]:
    with path.open("rb") as raw:
        yield decompressed(raw)


def decompressed(raw: io.BufferedReader) -> io.BufferedIOBase:
    """The bytes of a file, whether it is compressed with gzip or not."""
    return gzip.GzipFile(fileobj=raw) if raw.peek(2)[:2] == _GZIP_MAGIC else raw


def _lines(stream: io.BufferedIOBase, path: Path) -> Iterator[str]:
    """The lines with their ends, decoded one by one so that a fault can be named by line and byte."""
    offset_bytes = 0
    number = 0
    while line := next_line(stream, path, number + 1):
        number += 1
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as error:
            raise SourceError(
                f"{path}: line {number} is not UTF-8 at byte {offset_bytes + error.start} of the file: "
                "save the file as UTF-8."
            ) from error
        offset_bytes += len(line)
        yield text.removeprefix("\ufeff") if number == 1 else text


def next_line(stream: io.BufferedIOBase, path: Path, number: int) -> bytes:
    """One line with its end; empty after the last.

    Args:
        number: of the line, for messages.

    Raises:
        SourceError: the compressed file is damaged, or the line has no end within reason.
    """
    try:
        line = stream.readline(_LONGEST_LINE_BYTES + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise SourceError(f"{path} ends too early or is damaged after line {number - 1}: {error}.") from error
    if len(line) > _LONGEST_LINE_BYTES:
        raise SourceError(f"{path}: line {number} is longer than {_LONGEST_LINE_BYTES:,} bytes: is this the format?")
    return line


def _delimited_records(lines: Iterator[str], path: Path, columns: Sequence[str], delimiter: str) -> Iterator[Record]:
    # Strict, because the lenient reader turns an unclosed quote into one huge row and loses the others.
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    try:
        header = next(reader, [])
        positions = _positions(header, columns, path)
        for fields in reader:
            if not fields:
                continue
            if len(fields) != len(header):
                raise SourceError(
                    f"{path}: line {reader.line_num} has {len(fields)} fields, the header has {len(header)}: "
                    "put fields that hold the delimiter in double quotes."
                )
            yield f"line {reader.line_num}", [fields[position] for position in positions]
    except csv.Error as error:
        raise SourceError(
            f"{path}: line {reader.line_num}: {error}. Fields with quotes or delimiters stand in double quotes, and a "
            f"field has at most {csv.field_size_limit():,} characters."
        ) from error


def _positions(header: Sequence[str], columns: Sequence[str], path: Path) -> list[int]:
    if not header:
        raise SourceError(f"{path} is empty: it needs a first line with the names of the columns.")
    _check_columns(header, columns, path)
    twice = sorted({name for name in columns if header.count(name) > 1})
    if twice:
        raise SourceError(f"{path} has more than one column {', '.join(twice)}: rename the others.")
    return [header.index(name) for name in columns]


def _json_records(lines: Iterator[str], path: Path, columns: Sequence[str]) -> Iterator[Record]:
    seen: dict[str, None] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            document = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise SourceError(f"{path}: line {number} is no JSON: {error}.") from error
        if not isinstance(document, dict):
            raise SourceError(f"{path}: line {number} is no JSON object with columns as keys.")
        seen.update(dict.fromkeys(document))
        yield f"line {number}", [document.get(name) for name in columns]
    if seen:
        # A key may be left out of a row, but not of all of them.
        _check_columns(list(seen), columns, path)


def _parquet_records(path: Path, columns: Sequence[str]) -> Iterator[Record]:
    pyarrow, parquet = parquet_library()
    number = 0
    try:
        with parquet.ParquetFile(path) as file:
            _check_columns(file.schema_arrow.names, columns, path)
            for batch in file.iter_batches(columns=list(dict.fromkeys(columns))):
                for values in zip(*(batch.column(name).to_pylist() for name in columns), strict=True):
                    number += 1
                    yield f"row {number}", list(values)
    except UnicodeDecodeError as error:
        raise SourceError(f"{path}: a text after row {number} is not UTF-8: write the file again.") from error
    except (pyarrow.ArrowException, OSError) as error:
        raise SourceError(f"{path} is no readable Parquet file: {error}") from error


def _check_columns(present: Sequence[str], columns: Sequence[str], path: Path) -> None:
    unknown = [name for name in columns if name not in present]
    if unknown:
        raise UnknownColumnError(
            f"{path} has no column {', '.join(map(repr, unknown))} (it has {', '.join(map(repr, present))}): "
            "set data.text_column, data.label_column, data.group_column and data.domain_column."
        )
