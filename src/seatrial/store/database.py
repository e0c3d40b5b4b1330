"""The database under the store: sqlite for one machine, PostgreSQL for many; what was acknowledged is durable on both.

Writers are serialised, one transaction at a time over all processes, because each ledger entry names the one before
it: ``BEGIN IMMEDIATE`` on sqlite, an advisory lock on PostgreSQL. Readers see one snapshot and wait for nobody.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError

from seatrial.config import mask
from seatrial.domain.errors import ConfigError, LedgerError, MissingExtraError
from seatrial.store import migrations
from seatrial.store.faults import PRIMARY_CODE, database_faults

__all__ = ["Database"]

_LOCK_WAIT_S = 30
_CONNECT_WAIT_S = 5
_WAL_RETRY_S = 0.02
_WRITES = "seatrial_writes"
_WRITER_LOCK = 0x5EA7_41A1  # any number that nobody else in the same database is likely to lock

# Settings of the transaction, not of the session, so that they also hold behind a connection pooler.
_POSTGRESQL_WRITER = (
    f"SELECT set_config('lock_timeout', '{_LOCK_WAIT_S}s', true)",
    "SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off'",
    f"SELECT pg_advisory_xact_lock({_WRITER_LOCK})",
)


class Database:
    """Connections to one database whose schema is this release's."""

    def __init__(self, engine: Engine, name: str) -> None:
        self._name = name
        self._engine = engine
        self._writing = engine.execution_options(**{_WRITES: True})
        self._reading = engine
        if engine.dialect.name == "postgresql":
            self._reading = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)

    @classmethod
    def open(cls, url: str, revision: str = migrations.NEWEST) -> Database:
        """Connects, makes what is missing (a sqlite file, its directory, the schema) and brings the schema up to date.

        Args:
            revision: up to which; an older one is for rows that were copied at that revision.

        Raises:
            ConfigError: the URL is none we can use, or its place is not ours to write.
            UnreachableError: the server does not answer, or somebody holds the database for too long.
            StorageFullError: there is no room for it.
            LedgerError: the file is damaged, or written by a newer release.
        """
        parsed = _parse(url)
        name = mask(parsed.render_as_string(hide_password=True))
        database = cls(_sqlite_engine(parsed) if parsed.drivername == "sqlite" else _postgresql_engine(parsed), name)
        try:
            database._bring_up_to(revision)
        except BaseException:
            database.close()
            raise
        return database

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees one moment of the database."""
        with database_faults(self._name), self._reading.begin() as connection:
            yield connection

    @contextlib.contextmanager
    def write(self) -> Iterator[Connection]:
        """The only writing transaction anywhere while it lasts; durable when the block was left without an error."""
        with database_faults(self._name), self._writing.begin() as connection:
            if connection.dialect.name == "postgresql":
                for statement in _POSTGRESQL_WRITER:
                    connection.execute(text(statement))
            yield connection

    def close(self) -> None:
        """Closes all connections."""
        self._engine.dispose()

    def _bring_up_to(self, wanted: str) -> None:
        with self.read() as connection:
            if migrations.current_revision(connection) == wanted:
                return
        with self.write() as connection:
            revision = migrations.current_revision(connection)  # another process may have been faster
            if revision is not None and revision > migrations.NEWEST:
                raise LedgerError(
                    f"The ledger {self._name} has schema {revision}, this release knows {migrations.NEWEST}: "
                    "use the newer Seatrial that wrote it."
                )
            if revision is None or revision < wanted:
                migrations.upgrade(connection, wanted)


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        parsed = URL.create("")
    match parsed.drivername:
        case "sqlite" if parsed.database and parsed.database != ":memory:" and "uri" not in parsed.query:
            return parsed
        case "postgres" | "postgresql" | "postgresql+psycopg":
            return parsed.set(drivername="postgresql+psycopg")
    raise ConfigError(
        f"The ledger cannot be kept in {mask(url)!r}: set store.database_url to sqlite:///FILE or "
        "postgresql://USER:PASSWORD@HOST/NAME."
    )


def _sqlite_engine(url: URL) -> Engine:
    path = Path(str(url.database))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"The ledger's directory {path.parent} cannot be made: {error.strerror}. Choose another store.database_url."
        ) from error
    if "timeout" not in url.query:
        url = url.update_query_dict({"timeout": str(_LOCK_WAIT_S)})
    engine = create_engine(url, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves, below
        # Bytes that are no UTF-8 can only come from tampering: they must reach the verification, not stop it.
        connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
        _enter_wal(connection)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get(_WRITES)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _enter_wal(connection: sqlite3.Connection) -> None:
    """Switches the file to write-ahead logging; sqlite gives up at once when two processes do so together."""
    deadline = time.monotonic() + _LOCK_WAIT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & PRIMARY_CODE != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(_WAL_RETRY_S)
        else:
            return


def _postgresql_engine(url: URL) -> Engine:
    if "connect_timeout" not in url.query:
        url = url.update_query_dict({"connect_timeout": str(_CONNECT_WAIT_S)})
    try:
        return create_engine(url, hide_parameters=True, pool_pre_ping=True, isolation_level="READ COMMITTED")
    except ImportError as error:
        raise MissingExtraError("psycopg", "control") from error
