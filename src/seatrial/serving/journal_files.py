"""The writer's side of a journal's directory: whole lines at the end of the newest segment, within the limits."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from seatrial.serving.journal_format import segment_path, segments

__all__ = ["Appended", "JournalFiles", "JournalPolicy"]

_LOCK_FILE = ".lock"
_LARGEST_SEGMENT_BYTES = 16 * 2**20
_SEGMENTS_AT_LEAST = 16
"""A journal at its limit has about this many segments, so that deleting the oldest forgets little."""
_SEGMENT_AGE_S = 3600.0


@dataclass(frozen=True, slots=True)
class JournalPolicy:
    """How much is kept, and for how long.

    Attributes:
        max_bytes: of all segments together.
        keep_s: what is younger is never deleted to make room.
        forget_s: what is older is deleted in any case.
        fsync: whether to wait for the disk; without it entries survive the end of the process, not of the machine.
    """

    max_bytes: int
    keep_s: float
    forget_s: float
    fsync: bool = True

    @property
    def segment_bytes(self) -> int:
        """From this size on a new segment is begun."""
        return min(_LARGEST_SEGMENT_BYTES, self.max_bytes // _SEGMENTS_AT_LEAST)

    @property
    def record_bytes(self) -> int:
        """Where records stop: the last sixteenth is for feedback alone, which cannot be had again."""
        return self.max_bytes - self.max_bytes // 16


class Appended(NamedTuple):
    """How many lines were written, and why no more: `limit`, `disk`, or nothing where all were."""

    lines: int
    reason: str = ""
    fault: OSError | None = None


class JournalFiles:
    """Appends lines to a directory that several processes may write at the same time, each batch whole.

    A lock file admits one writer at a time, for the length of a write and not of an fsync. All of them append to the
    newest segment; once there is a newer one nobody writes an older one any more. Each object begins a segment of its
    own first: what lay unwritten in a machine's memory when it went down never shifts places that readers have seen.

    Args:
        now_s: seconds since 1970.
    """

    def __init__(self, directory: Path, policy: JournalPolicy, now_s: Callable[[], float] = time.time) -> None:
        self.directory = directory
        self.policy = policy
        self.size_bytes = 0
        self._now_s = now_s
        self._lock = -1
        self._file = -1
        self._segment = 0
        self._end = 0
        self._present: list[int] = []
        self._unsynced = False
        self._sync_fault: OSError | None = None

    def append(self, lines: Sequence[bytes], limit_bytes: int) -> Appended:
        """Writes as many of the lines as there is room for, in order, as one piece that no other writer divides.

        Args:
            limit_bytes: of the whole journal, after this.
        """
        try:
            with self._locked():
                self._find_end()
                self._make_room(sum(map(len, lines)), limit_bytes)
                fitting = _fitting(lines, limit_bytes - self.size_bytes)
                if not fitting:
                    return Appended(0, "limit" if lines else "")
                if self._file < 0 or (self._end and self._is_ripe(self._segment)):
                    self._begin_segment()
                written, fault = self._write(lines[:fitting])
        except OSError as error:
            self._leave_segment()
            return Appended(0, "disk", error)
        if fault:
            return Appended(written, "disk", fault)
        return Appended(written, "" if written == len(lines) else "limit")

    def sync(self) -> None:
        """Waits until what was appended since the last time is on the disk.

        Raises:
            OSError: it may not be there, and nobody can tell which part of it.
        """
        if self._unsynced and self._file >= 0 and self.policy.fsync:
            try:
                os.fdatasync(self._file)
            except OSError as error:
                self._sync_fault = error
                self._leave_segment()  # after one failure the kernel calls the same pages clean
        self._unsynced = False
        fault, self._sync_fault = self._sync_fault, None
        if fault:
            raise fault

    def tend(self) -> None:
        """What time asks for while nobody appends: ends a segment that is old, deletes what is to be forgotten.

        Raises:
            OSError: the disk refuses.
        """
        if not self.directory.is_dir():
            return
        with self._locked():
            self._find_end()
            if self._present and self._is_ripe(self._present[-1]) and self._size_of(self._present[-1]):
                self._begin_segment()
            self._make_room(0, self.policy.max_bytes)

    def close(self) -> None:
        """Gives the files back. Closing twice is allowed."""
        self._leave_segment()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Holds the lock file, a new one where somebody has removed the directory."""
        path = self.directory / _LOCK_FILE
        while True:
            if self._lock < 0:
                self.directory.mkdir(parents=True, exist_ok=True)
                self._lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            fcntl.flock(self._lock, fcntl.LOCK_EX)
            try:
                held = os.path.samestat(os.fstat(self._lock), os.stat(path))  # noqa: PTH116  at each write: no Path
            except FileNotFoundError:
                held = False
            if held:
                break
            os.close(self._lock)
            self._lock = -1
        try:
            yield
        finally:
            fcntl.flock(self._lock, fcntl.LOCK_UN)

    def _find_end(self) -> None:
        """Looks where other writers have left the journal."""
        present = segments(self.directory)
        if self._file >= 0 and (not present or present[-1] != self._segment):
            self._leave_segment()
            if present:
                self._open_segment(present[-1], 0)
        end = os.fstat(self._file).st_size if self._file >= 0 else 0
        if present != self._present or end != self._end:
            self._present, self._end = present, end
            self.size_bytes = sum(self._size_of(segment) for segment in present)

    def _size_of(self, segment: int) -> int:
        try:
            return segment_path(self.directory, segment).stat().st_size
        except FileNotFoundError:
            return 0

    def _is_ripe(self, segment: int) -> bool:
        """Whether the newest segment should be followed by another."""
        return self._end >= self.policy.segment_bytes or self._now_s() - segment / 1000 >= _SEGMENT_AGE_S

    def _make_room(self, wanted_bytes: int, limit_bytes: int) -> None:
        """Deletes the oldest segments: those to be forgotten, and those that may be where there is no room."""
        while len(self._present) > 1:
            age_s = self._now_s() - self._present[1] / 1000  # of its youngest entry: the next segment began later
            full = self.size_bytes + wanted_bytes > limit_bytes
            if not (age_s >= self.policy.forget_s or (full and age_s >= self.policy.keep_s)):
                return
            oldest = self._present.pop(0)
            self.size_bytes -= self._size_of(oldest)
            segment_path(self.directory, oldest).unlink(missing_ok=True)

    def _begin_segment(self) -> None:
        self._leave_segment()
        newest = self._present[-1] if self._present else 0
        segment = max(newest + 1, int(self._now_s() * 1000))
        self._open_segment(segment, os.O_CREAT | os.O_EXCL)
        self._present.append(segment)
        self._end = 0
        if self.policy.fsync:
            _sync_directory(self.directory)

    def _open_segment(self, segment: int, flags: int) -> None:
        self._file = os.open(
            segment_path(self.directory, segment), os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | flags, 0o644
        )
        self._segment = segment

    def _leave_segment(self) -> None:
        """Closes the segment, safely on the disk; the next write goes to another one."""
        if self._file < 0:
            return
        file, self._file, self._end = self._file, -1, 0
        try:
            if self._unsynced and self.policy.fsync and self._sync_fault is None:
                os.fdatasync(file)
        except OSError as error:
            self._sync_fault = error
        finally:
            os.close(file)

    def _write(self, lines: Sequence[bytes]) -> tuple[int, OSError | None]:
        """Writes lines at the end, and takes back the part of a line that found no room.

        Returns:
            How many lines are there now, and why not all.
        """
        heal = self._missing_line_feed()
        payload, written, fault = heal + b"".join(lines), 0, None
        try:
            while written < len(payload):
                written += os.write(self._file, memoryview(payload)[written:])
        except OSError as error:
            fault = error
            whole = payload.rfind(b"\n", 0, written) + 1
            with contextlib.suppress(OSError):  # else the next line feed ends it, and readers skip it
                os.ftruncate(self._file, self._end + whole)
            written = whole
        self._unsynced |= written > 0
        end = os.fstat(self._file).st_size
        self.size_bytes += end - self._end
        self._end = end
        if fault and end and fault.errno not in (errno.ENOSPC, errno.EDQUOT):
            self._leave_segment()  # the file itself is at its limit, or broken
        return payload.count(b"\n", len(heal), written), fault

    def _missing_line_feed(self) -> bytes:
        """What ends the line that a writer was stopped in.

        It spoils the line, too: one that lacks only its line feed has been reported as lost, and must not come back.
        """
        if not self._end or os.pread(self._file, 1, self._end - 1) == b"\n":
            return b""
        return b"?\n"


def _fitting(lines: Sequence[bytes], room_bytes: int) -> int:
    """How many of the lines, from the first on, fit."""
    for count, line in enumerate(lines):
        room_bytes -= len(line)
        if room_bytes < 0:
            return count
    return len(lines)


def _sync_directory(directory: Path) -> None:
    """Waits until the names in a directory are on the disk."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
