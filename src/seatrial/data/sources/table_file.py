"""A file of the user's own, on this machine or behind an address."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from seatrial.bundle import file_sha256
from seatrial.config import DataSettings
from seatrial.data.sources.formats import TableFormat, format_of, read_records
from seatrial.data.sources.source import RawRow, SourceFacts
from seatrial.data.web import public_address

__all__ = ["TableFile"]


class TableFile:
    """Rows of a CSV, TSV, JSONL or Parquet file, with the columns named in the settings."""

    def __init__(self, path: Path, settings: DataSettings) -> None:
        """Opens nothing yet.

        Raises:
            UsageError: the format is `auto` and the ending does not tell it.
        """
        self._path = path
        self._settings = settings
        self._format: TableFormat = format_of(path.name) if settings.format == "auto" else settings.format

    @property
    def facts(self) -> SourceFacts:
        """Origin and digest; of a file of your own only you know the licence."""
        remote = self._settings.source.startswith(("http://", "https://"))
        return SourceFacts(
            name=self._path.name,
            description=f"A {self._format} file of your own.",
            origin=public_address(self._settings.source) if remote else self._path.name,
            sha256=file_sha256(self._path),
        )

    def rows(self) -> Iterator[RawRow]:
        """Every row, with its line, or its number in a Parquet file."""
        settings = self._settings
        optional = [name for name in (settings.group_column, settings.domain_column) if name]
        for place, (text, label, *others) in read_records(
            self._path, self._format, [settings.text_column, settings.label_column, *optional]
        ):
            values = dict(zip(optional, others, strict=True))
            group = values.get(settings.group_column)
            yield RawRow(
                place=place,
                text="" if text is None else text,
                label=label,
                group="" if settings.group_column and group is None else group,
                domain=values.get(settings.domain_column),
            )
