"""One data plane a home: two would each go on with the other's split and counters."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator
from io import FileIO
from pathlib import Path

from seatrial.bundle import storage_errors
from seatrial.domain.errors import ConfigError

__all__ = ["only_data_plane"]

_FILE = "data-plane.lock"


@contextlib.contextmanager
def only_data_plane(home: Path) -> Iterator[None]:
    """Keeps other data planes away from a home for the length of the block.

    The kernel frees the lock of a killed process. A home that cannot be written into has nothing to be fought over.

    Raises:
        ConfigError: another data plane is there already.
        StorageFullError: no room for the lock's file.
    """
    with storage_errors(f"write {home / _FILE}"):
        file = _opened(home)
    with file or contextlib.nullcontext():
        if file:
            _take(file, home)
        yield


def _opened(home: Path) -> FileIO | None:
    """The lock's file; None where nobody may write there."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        return FileIO(home / _FILE, "a+")
    except OSError as error:
        if error.errno in (errno.EROFS, errno.EACCES):
            return None
        raise


def _take(file: FileIO, home: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        holder = file.read().decode("ascii", "replace") or "unknown"
        raise ConfigError(
            f"A data plane serves from {home} already, process {holder}: end it first, or give this one a home of "
            "its own with SEATRIAL_HOME."
        ) from None
    with storage_errors(f"write {home / _FILE}"):
        file.truncate(0)
        file.write(str(os.getpid()).encode())
