"""A copy of MLflow's sqlite database: taken while others use it, and made at home in another directory."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from urllib.parse import unquote

from seatrial.bundle import storage_errors
from seatrial.domain.errors import BackupError, StorageFullError, UnreachableError

__all__ = ["copy_database", "move_files", "noted_tags"]

_PAGES_AT_ONCE = 4096
_WAIT_S = 30
_FULL = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE)


def copy_database(database: Path, copy: Path) -> None:
    """Copies a database as it is at one moment, with sqlite's own backup; writers go on meanwhile.

    Raises:
        UnreachableError: it cannot be read.
        StorageFullError: no room for the copy.
    """
    try:
        with (
            storage_errors(f"write {copy}"),
            contextlib.closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", _WAIT_S, uri=True)) as source,
            contextlib.closing(sqlite3.connect(copy)) as target,
        ):
            source.backup(target, pages=_PAGES_AT_ONCE, sleep=0)
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) in _FULL:
            raise StorageFullError(f"No room to write {copy}: free some space and run the command again.") from error
        raise UnreachableError(
            f"{database} cannot be copied ({error}): see that it is a database, and whole."
        ) from error


def move_files(database: Path, before: str, after: str) -> None:
    """Moves every place that the database names below a directory to another one: MLflow writes whole paths.

    Args:
        before: URI of a directory above the artifacts when the database was copied.
        after: URI of the directory that has taken its place.

    Raises:
        BackupError: it is no database, or a damaged one.
    """
    if before == after:
        return
    moves = [(before.rstrip("/"), after.rstrip("/")), (_path(before), _path(after))]
    try:
        with contextlib.closing(sqlite3.connect(database)) as connection, connection:
            for table, column in _text_columns(connection):
                for old, new in moves:
                    connection.execute(
                        # Names cannot be parameters; these are the database's own, and quoted.
                        f"UPDATE {table} SET {column} = ? || substr({column}, ?) "  # noqa: S608  see above
                        f"WHERE {column} = ? OR substr({column}, 1, ?) = ?",
                        (new, len(old) + 1, old, len(old) + 1, f"{old}/"),
                    )
    except sqlite3.Error as error:
        raise BackupError(f"{database.name} is no whole database ({error}). Use another copy of the backup.") from error


def noted_tags(database: Path, key: str) -> list[str]:
    """What a tag of the registered models says in a database, as far as that can be read."""
    try:
        with contextlib.closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            rows = connection.execute("SELECT value FROM registered_model_tags WHERE key = ?", (key,))
            return [str(value) for (value,) in rows]
    except sqlite3.Error:
        return []


def _path(uri: str) -> str:
    """The directory of a file URI: MLflow keeps some places as plain paths."""
    return unquote(uri.removeprefix("file://")).rstrip("/")


def _text_columns(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    """Every column of text, by table; both quoted as SQL wants names."""
    tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    return [
        (_quoted(table), _quoted(column))
        for (table,) in tables.fetchall()
        for _, column, kind, *_ in connection.execute(f"PRAGMA table_info({_quoted(table)})")
        if kind.upper().startswith(("VARCHAR", "TEXT", "CHAR", "CLOB"))
    ]


def _quoted(name: str) -> str:
    """A name as SQL takes any."""
    return '"' + name.replace('"', '""') + '"'
