"""Files and directories that are whole or as they were, whatever stops the writer."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import glob
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from seatrial.domain.errors import StorageFullError

__all__ = ["file_written_atomically", "storage_errors", "write_directory_atomically", "write_text_atomically"]

# From linux/fcntl.h and linux/fs.h.
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


@contextlib.contextmanager
def storage_errors(what: str) -> Iterator[None]:
    """Turns "no space", "quota" and "file too large" of the operating system into a StorageFullError."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise StorageFullError(f"No room to {what}: free some space and run the command again.") from error
        raise


def write_text_atomically(path: Path, text: str) -> None:
    """Writes a UTF-8 file so that readers and a crash see the old text or the new, never a part.

    Raises:
        StorageFullError: no room; the old text stays.
    """
    with file_written_atomically(path) as file:
        file.write(text.encode())


@contextlib.contextmanager
def file_written_atomically(path: Path) -> Iterator[BinaryIO]:
    """A file to write into: it stands at `path` when the block ends well, and is gone when it does not.

    Raises:
        StorageFullError: no room; what was at `path` stays.
    """
    with storage_errors(f"write {path}"):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        partial = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            partial.chmod(0o644)
            partial.replace(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        _sync(path.parent)


def write_directory_atomically(directory: Path, fill: Callable[[Path], None]) -> None:
    """Writes a directory so that it is whole or as it was: `fill` puts the files into an empty one beside it.

    A directory already there is replaced once the new one is complete and on the disk. One writer of a directory
    works at a time; the next removes what a killed one left.

    Raises:
        StorageFullError: no room; nothing is left behind.
    """
    with storage_errors(f"write {directory}"):
        directory.parent.mkdir(parents=True, exist_ok=True)
        with _locked(directory.parent / f".{directory.name}.lock"), _partial(directory) as partial:
            fill(partial)
            for path in (*partial.rglob("*"), partial):
                path.chmod(0o755 if path.is_dir() else 0o644)
                _sync(path)
            _put_in_place(partial, directory)
            _sync(directory.parent)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Admits one thread of one process at a time; the lock file is gone afterwards.

    The kernel frees the lock of a killed process.
    """
    while True:
        with path.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            try:
                held = os.path.samestat(os.fstat(lock.fileno()), path.stat())
            except FileNotFoundError:
                held = False
            if not held:  # the holder before us removed the file we waited for: the next one will lock a new file
                continue
            try:
                yield
            finally:
                path.unlink()
            return


@contextlib.contextmanager
def _partial(directory: Path) -> Iterator[Path]:
    """An empty directory beside `directory`; whatever it then holds is removed when the block is left."""
    prefix = f".{directory.name}.partial-"
    for abandoned in directory.parent.glob(f"{glob.escape(prefix)}*"):
        shutil.rmtree(abandoned, ignore_errors=True)
    partial = Path(tempfile.mkdtemp(prefix=prefix, dir=directory.parent))
    try:
        yield partial
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _put_in_place(partial: Path, directory: Path) -> None:
    """Moves the finished directory to its place; one that was there then lies where `partial` was."""
    try:
        partial.rename(directory)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        if not _exchange(partial, directory):
            _exchange_by_turns(partial, directory)


def _exchange(first: Path, second: Path) -> bool:
    """Swaps two directories in one step, where the system can: says whether it did.

    Source: renameat2(2), in Linux since 3.15 for most file systems.
    """
    try:
        renameat2 = ctypes.CDLL(None).renameat2
    except AttributeError:
        return False
    status = renameat2(_AT_FDCWD, os.fsencode(first), _AT_FDCWD, os.fsencode(second), _RENAME_EXCHANGE)
    return bool(status == 0)


def _exchange_by_turns(partial: Path, directory: Path) -> None:
    """Swaps two directories by three renames: an error leaves the old one, a kill between them none."""
    retired = partial.with_name(f"{partial.name}.retired")
    directory.rename(retired)
    try:
        partial.rename(directory)
    except BaseException:
        retired.rename(directory)
        raise
    retired.rename(partial)


def _sync(path: Path) -> None:
    """Waits until a file's bytes, or a directory's entries, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
