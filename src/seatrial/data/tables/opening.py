"""From a path and a format to the source or sink that reads or writes it."""

from __future__ import annotations

import contextlib
import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from seatrial.bundle import file_written_atomically
from seatrial.data.tables.text_rows import DelimitedSink, DelimitedSource, JsonLinesSink, JsonLinesSource
from seatrial.domain.tables import Columns, RowSink, RowSource

__all__ = ["DELIMITERS", "open_sink", "open_source"]

DELIMITERS = {"csv": ",", "tsv": "\t"}


def open_source(path: Path, table_format: str) -> RowSource:
    """The rows of a file; all but Parquet may be compressed with gzip.

    Raises:
        MissingExtraError: Parquet is asked for and pyarrow is not installed.
    """
    if table_format == "parquet":
        from seatrial.data.tables.parquet_rows import ParquetSource

        return ParquetSource(path)
    return JsonLinesSource(path) if table_format == "jsonl" else DelimitedSource(path, DELIMITERS[table_format])


@contextlib.contextmanager
def open_sink(path: Path, table_format: str, columns: Columns) -> Iterator[RowSink]:
    """A file to write rows into, whole or not there: compressed where its name ends in `.gz`.

    Args:
        columns: in order; JSONL writes each row's own.

    Raises:
        MissingExtraError: Parquet is asked for and pyarrow is not installed.
        StorageFullError: no room; what was there stays.
    """
    with file_written_atomically(path) as file, contextlib.ExitStack() as stack:
        if path.suffix == ".gz":  # without name and time, so that the same rows make the same bytes
            file = stack.enter_context(gzip.GzipFile("", "wb", 6, file, mtime=0))  # type: ignore[assignment]  # it writes
        sink = _sink(file, table_format, columns)
        try:
            yield sink
        except BaseException:
            with contextlib.suppress(Exception):  # let go of the file, which goes away with what is in it
                sink.finish()
            raise
        sink.finish()


def _sink(file: BinaryIO, table_format: str, columns: Columns) -> RowSink:
    if table_format == "parquet":
        from seatrial.data.tables.parquet_rows import ParquetSink

        return ParquetSink(file, columns)
    return JsonLinesSink(file) if table_format == "jsonl" else DelimitedSink(file, columns, DELIMITERS[table_format])
