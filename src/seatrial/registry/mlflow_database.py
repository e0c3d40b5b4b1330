"""MLflow's database: checked before MLflow retries for minutes, and made so that a kill leaves no half of it."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import sqlite3
import tempfile
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from seatrial.bundle import storage_errors
from seatrial.config import mask
from seatrial.domain.errors import DependencyError, UnreachableError

__all__ = ["prepare_database"]

_SQLITE = "sqlite:///"
_PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}
_TABLES = {"alembic_version", "experiments", "registered_models"}
# Making the tables is hundreds of small transactions: seconds of waiting for a disk, none in memory.
_MEMORY_DIR = Path("/dev/shm")  # noqa: S108  a directory of our own is made in it, by mkdtemp


def prepare_database(uri: str, artifact_uri: str, timeout_s: float) -> None:
    """Makes the sqlite database of `uri` if there is none; checks that what there is can be used.

    Args:
        uri: a tracking URI; servers of MLflow are left alone, their client fails soon by itself.
        artifact_uri: where MLflow's default experiment of a new database keeps its files.
        timeout_s: how long to wait for a database server.

    Raises:
        UnreachableError: a sqlite database cannot be opened, read or made, or is not MLflow's.
        StorageFullError: no room to make it; nothing is left behind.
        SQLAlchemyError, OSError: a database server does not answer or does not let us in.
        DependencyError: the Python package for the database is not installed.
    """
    kind = urlsplit(uri).scheme.partition("+")[0]
    if uri.startswith(_SQLITE):
        # SQLAlchemy reads the path of a URL so.
        _prepare_sqlite(Path(unquote(uri.removeprefix(_SQLITE).partition("?")[0])), artifact_uri, timeout_s)
    elif kind in _PORTS:
        _try_server(uri, _PORTS[kind], timeout_s)


def _prepare_sqlite(path: Path, artifact_uri: str, timeout_s: float) -> None:
    from sqlalchemy.exc import SQLAlchemyError

    try:
        with storage_errors(f"make {path}"):
            if not path.exists() or path.stat().st_size == 0:
                _create(path, artifact_uri)
        tables = _tables(path, timeout_s)
    except (OSError, sqlite3.Error, SQLAlchemyError) as error:
        raise _unusable(path, str(error).partition("\n")[0]) from error
    if not tables >= _TABLES:
        raise _unusable(path, "it is not a database of MLflow")


def _create(path: Path, artifact_uri: str) -> None:
    """Makes the tables elsewhere and puts the finished file in place, so that a kill never leaves half of them."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f".{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if path.exists() and path.stat().st_size:
            return  # made by another process while this one waited
        with tempfile.TemporaryDirectory(dir=_MEMORY_DIR if os.access(_MEMORY_DIR, os.W_OK) else None) as scratch:
            fresh = Path(scratch) / "mlflow.db"
            store = SqlAlchemyStore(f"{_SQLITE}{fresh}", artifact_uri)
            store.engine.dispose()
            _copy_whole(fresh, path)


def _copy_whole(source: Path, path: Path) -> None:
    partial = path.with_name(f".{path.name}.partial")
    try:
        shutil.copyfile(source, partial)
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _tables(path: Path, timeout_s: float) -> set[str]:
    """Names of the tables of a sqlite database, which is left as it is.

    Raises:
        sqlite3.Error: it cannot be read.
    """
    connection = sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", timeout=timeout_s, uri=True)
    try:
        names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if "alembic_version" in names:
            connection.execute("SELECT version_num FROM alembic_version").fetchall()
        return names
    finally:
        connection.close()


def _try_server(uri: str, default_port: int, timeout_s: float) -> None:
    """Connects once: MLflow itself tries ten times, for 100 s, whatever the reason."""
    from sqlalchemy import create_engine

    parts = urlsplit(uri)
    if parts.hostname:  # without one it is a socket of this machine, which answers at once
        socket.create_connection((parts.hostname, parts.port or default_port), timeout_s).close()
    try:
        engine = create_engine(uri)
    except ModuleNotFoundError as error:
        raise DependencyError(f"The database of {mask(uri)} needs the package {error.name}: install it.") from error
    try:
        engine.connect().close()
    finally:
        engine.dispose()


def _unusable(path: Path, reason: str) -> UnreachableError:
    return UnreachableError(
        f"The MLflow database {path} cannot be used: {reason}. "
        "Restore it from a backup, or name another in [registry] tracking_uri."
    )
