"""What a database driver says, in the words of Seatrial's errors."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from seatrial.domain.errors import (
    ConfigError,
    LedgerConflictError,
    LedgerError,
    SeatrialError,
    StorageFullError,
    UnreachableError,
)

__all__ = ["PRIMARY_CODE", "database_faults"]

_FULL = (
    "No room for the ledger in {name} ({cause}): nothing was recorded; free some space or raise the quota, and repeat."
)
_BUSY = "The ledger {name} is held by another process ({cause}): nothing was recorded; see who holds it, and repeat."
_SILENT = (
    "The ledger's database {name} does not answer ({cause}): check that it runs and that store.database_url is right."
)
_DAMAGED = (
    "The ledger {name} is damaged or no database ({cause}): put a backup in its place and compare it with a noted head "
    "(seatrial models verify); sqlite3 FILE .recover saves what can still be read."
)
_REFUSED = "The ledger {name} may not be used that way ({cause}): check store.database_url and the rights to it."
_CONFLICT = "The ledger {name} refused a write that contradicts it ({cause}): nothing was recorded; read it anew."
_OTHER = "The ledger {name} failed ({cause}): nothing was recorded; see the database's own log, and repeat."

_SQLITE_FAULTS: dict[int, tuple[type[SeatrialError], str]] = {
    # A quota or a file size limit reaches sqlite as a failed write, only a full disk as FULL.
    sqlite3.SQLITE_FULL: (StorageFullError, _FULL),
    sqlite3.SQLITE_IOERR_WRITE: (StorageFullError, _FULL),
    sqlite3.SQLITE_IOERR_SHMSIZE: (StorageFullError, _FULL),
    sqlite3.SQLITE_BUSY: (UnreachableError, _BUSY),
    sqlite3.SQLITE_LOCKED: (UnreachableError, _BUSY),
    sqlite3.SQLITE_CORRUPT: (LedgerError, _DAMAGED),
    sqlite3.SQLITE_NOTADB: (LedgerError, _DAMAGED),
    sqlite3.SQLITE_CANTOPEN: (ConfigError, _REFUSED),
    sqlite3.SQLITE_READONLY: (ConfigError, _REFUSED),
    sqlite3.SQLITE_PERM: (ConfigError, _REFUSED),
    sqlite3.SQLITE_CONSTRAINT: (LedgerConflictError, _CONFLICT),
}
PRIMARY_CODE = 0xFF
"""The bits of an sqlite error code that remain when its refinement is left out."""

# PostgreSQL's error codes (its manual, appendix A): the whole code, else its class of two characters.
_POSTGRESQL_FAULTS: dict[str, tuple[type[SeatrialError], str]] = {
    "53100": (StorageFullError, _FULL),
    "55P03": (UnreachableError, _BUSY),
    "42501": (ConfigError, _REFUSED),
    "25006": (ConfigError, _REFUSED),
    "08": (UnreachableError, _SILENT),
    "28": (UnreachableError, _SILENT),
    "3D": (UnreachableError, _SILENT),
    "53": (UnreachableError, _SILENT),
    "57": (UnreachableError, _SILENT),
    "23": (LedgerConflictError, _CONFLICT),
    "40": (LedgerConflictError, _CONFLICT),
    "XX": (LedgerError, _DAMAGED),
}


@contextlib.contextmanager
def database_faults(name: str) -> Iterator[None]:
    """Turns a driver's errors into Seatrial's; `name` is the database as messages may show it, without a password."""
    try:
        yield
    except PoolTimeoutError as error:
        raise UnreachableError(_BUSY.format(name=name, cause="all connections are in use")) from error
    except DBAPIError as error:
        kind, message = _fault(error)
        raise kind(message.format(name=name, cause=_first_line(error.orig))) from error


def _fault(error: DBAPIError) -> tuple[type[SeatrialError], str]:
    if isinstance(error.orig, sqlite3.Error):
        code = getattr(error.orig, "sqlite_errorcode", 0)
        return _SQLITE_FAULTS.get(code) or _SQLITE_FAULTS.get(code & PRIMARY_CODE) or (LedgerError, _OTHER)
    state = getattr(error.orig, "sqlstate", None)
    if state is None:  # libpq gives no code when it cannot connect, or when the connection is lost
        return UnreachableError, _SILENT
    return _POSTGRESQL_FAULTS.get(state) or _POSTGRESQL_FAULTS.get(state[:2]) or (LedgerError, _OTHER)


def _first_line(cause: BaseException | None) -> str:
    lines = str(cause).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(cause).__name__
