"""Table files for batch scoring; imports nothing that the core install does not have, but for Parquet."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import get_args

from seatrial.domain.errors import UsageError
from seatrial.domain.tables import Column, Columns, Kind, RowSink, RowSource

__all__ = ["format_of", "open_scored", "open_source"]


def format_of(path: Path, named: str, remedy: str) -> str:
    """The format of a file: the one that is named, else what its ending promises.

    Args:
        named: empty where the ending is to tell.
        remedy: what to do where it does not.

    Raises:
        UsageError: there is no such format, or the ending promises none.
    """
    from seatrial.data.sources.formats import TableFormat, format_of

    known = get_args(TableFormat)
    if named and named not in known:
        raise UsageError(f"There is no format {named!r}: name one of {', '.join(known)}.")
    return named or format_of(path.name, remedy)


def open_source(path: Path, table_format: str) -> RowSource:
    """The rows of a file, with all their columns; all but Parquet may be compressed with gzip.

    Raises:
        MissingExtraError: Parquet is asked for and pyarrow is not installed.
    """
    from seatrial.data.tables import opening

    return opening.open_source(path, table_format)


def open_scored(
    path: Path, table_format: str, columns: Columns, added: Sequence[tuple[str, bool]]
) -> AbstractContextManager[RowSink]:
    """A file for rows with what a model says about them; whole, or not there.

    Args:
        columns: of the rows that were scored.
        added: name of each further column, and whether it holds numbers.
    """
    from seatrial.data.tables import opening

    scored = [Column(name, Kind.NUMBER if number else Kind.TEXT) for name, number in added]
    return opening.open_sink(path, table_format, [*columns, *scored])
