"""One command at a time works on a project's state; the next one waits and says for whom."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from seatrial.bundle import storage_errors
from seatrial.domain.errors import UnreachableError
from seatrial.domain.progress import SILENT, Progress

__all__ = ["project_lock"]

_log = logging.getLogger(__name__)


@contextlib.contextmanager
def project_lock(home: Path, progress: Progress = SILENT, *, wait: bool = True) -> Iterator[None]:
    """Holds a project's state for the length of the block, after whoever else does has ended.

    The kernel frees the lock of a killed process. It is no lock against other machines that share a registry or a
    ledger: these take care of themselves.

    Args:
        home: the directory of the state, made if need be.
        wait: for the other command's end; else it is an error that there is one.

    Raises:
        UnreachableError: another command holds it, and is not to be waited for.
        StorageFullError: no room for the lock's file.
    """
    path = home / ".lock"
    with storage_errors(f"write {path}"):
        home.mkdir(parents=True, exist_ok=True)
        file = path.open("a+b", buffering=0)
    with file:
        _acquire(file, progress, wait)
        with storage_errors(f"write {path}"):
            file.truncate(0)
            file.write(str(os.getpid()).encode())
        yield


def _acquire(file: BinaryIO, progress: Progress, wait: bool) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        holder = file.read().decode() or "unknown"
        if not wait:
            raise UnreachableError(
                f"Another command works on this project (process {holder}): run this one when it has ended."
            ) from None
        _log.warning("another command works on this project, waiting for it", extra={"holder": holder})
        with progress.step(f"wait for process {holder}"):
            fcntl.flock(file, fcntl.LOCK_EX)
