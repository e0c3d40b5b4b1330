"""The whole store as one file of lines, the same for every database: what backups hold.

The first line names the revision of the schema and the columns of each table; each further one is a row, and follows
what it refers to. All of it is one moment: a snapshot of sqlite, or REPEATABLE READ of PostgreSQL. Text stands in it
exactly as in the database, so that a chain that holds there holds here.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection, column, func, insert, select, table

from seatrial.domain.errors import BackupError, UsageError
from seatrial.store import migrations
from seatrial.store.database import Database
from seatrial.store.entries import last_head
from seatrial.store.ledger import LedgerHead
from seatrial.store.tables import metadata

__all__ = ["PortableStore", "load_rows"]

_FORMAT_VERSION = 1
_BATCH_ROWS = 500
_AGAIN = "Use another copy of the backup."


class _Heading(NamedTuple):
    """What the first line says: the schema's revision, and the columns of each table."""

    schema: str
    columns: dict[str, list[str]]


class PortableStore:
    """Copies a store out while others read and write it.

    Args:
        signing_key: signs the head, None where heads are not signed.
    """

    def __init__(self, database: Database, signing_key: bytes | None) -> None:
        self._database = database
        self._signing_key = signing_key

    def write(self, write_line: Callable[[bytes], object]) -> LedgerHead:
        """Gives every row of one moment, line by line, in constant memory.

        Returns:
            The ledger's head at that moment, signed where there is a key.
        """
        with self._database.read() as connection:
            for line in _lines(connection):
                write_line(line)
            head = last_head(connection)
        return head.signed(self._signing_key) if self._signing_key else head


def load_rows(url: str, path: Path) -> bool:
    """Fills an empty database with the rows of a file, all or none.

    Returns:
        Whether anything was to be done: a database that holds exactly these rows already is left as it is.

    Raises:
        UsageError: the database holds something else; a ledger is never overwritten.
        BackupError: the file is no store as `PortableStore` writes it, or of a newer release.
    """
    with path.open("rb") as file:
        heading = _heading(next(file, b""), path)
        database = Database.open(url, heading.schema)
        try:
            with database.write() as connection:
                if not _is_empty(connection, heading):
                    if heading.schema == migrations.NEWEST and _sha256(_lines(connection)) == _file_sha256(path):
                        return False
                    raise UsageError(
                        "The ledger's database is not empty, and a ledger is never overwritten: name an empty one in "
                        "store.database_url."
                    )
                _insert(connection, heading, file, path)
        finally:
            database.close()
    return True


def _lines(connection: Connection) -> Iterator[bytes]:
    """The file's lines, from the tables as they stand in the transaction."""
    heading = {
        "format_version": _FORMAT_VERSION,
        "schema": migrations.current_revision(connection),
        "columns": {one.name: list(one.columns.keys()) for one in metadata.sorted_tables},
    }
    yield _line(heading)
    for one in metadata.sorted_tables:
        query = select(one).order_by(*one.primary_key.columns)
        with connection.execute(query, execution_options={"yield_per": _BATCH_ROWS}) as rows:
            for row in rows:
                yield _line([one.name, list(row)])


def _line(document: object) -> bytes:
    # ASCII: what a tamperer wrote need not be text (see `Database`), and is copied all the same.
    return json.dumps(document, separators=(",", ":")).encode("ascii") + b"\n"


def _heading(line: bytes, path: Path) -> _Heading:
    try:
        document = json.loads(line)
        if document["format_version"] != _FORMAT_VERSION:
            raise ValueError(f"its format is {document['format_version']!r}")
        heading = _Heading(str(document["schema"]), dict(document["columns"]))
        if heading.schema <= migrations.NEWEST and not heading.columns.keys() <= metadata.tables.keys():
            raise ValueError("it names tables that no store has")
    except (ValueError, KeyError, TypeError) as error:
        raise BackupError(f"{path} is no copy of a store ({error}). {_AGAIN}") from error
    if heading.schema > migrations.NEWEST:
        raise BackupError(
            f"{path} has schema {heading.schema}, this release knows {migrations.NEWEST}: use the newer Seatrial that "
            "wrote it."
        )
    return heading


def _insert(connection: Connection, heading: _Heading, lines: Iterable[bytes], path: Path) -> None:
    try:
        rows = (json.loads(line) for line in lines)
        for name, group in itertools.groupby(rows, key=lambda row: row[0]):
            names = heading.columns[name]
            target = table(name, *map(column, names))
            while batch := list(itertools.islice(group, _BATCH_ROWS)):
                connection.execute(insert(target), [dict(zip(names, row[1], strict=True)) for row in batch])
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise BackupError(f"{path} holds a line that is no row of a store ({error}). {_AGAIN}") from error


def _is_empty(connection: Connection, heading: _Heading) -> bool:
    return not any(
        connection.execute(select(func.count()).select_from(table(name))).scalar() for name in heading.columns
    )


def _sha256(lines: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for line in lines:
        digest.update(line)
    return digest.hexdigest()


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
