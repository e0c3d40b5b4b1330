"""Where the tally of a release is written down, so that a restart counts nothing twice and forgets seconds at most.

A file of lines with checksums: the first names the release and the tally, each further one holds all counters and the
units that were seen since the line before it. Counters and units stand in one line, so they are lost together or not
at all.
"""

from __future__ import annotations

import json
import uuid
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from seatrial.bundle import file_written_atomically
from seatrial.domain.release_counters import ReleaseCounters
from seatrial.domain.release_tally import SeenUnits, TallyChanges
from seatrial.serving.journal_format import line_body

__all__ = ["Remembered", "TallyFile"]

_UNITS_A_LINE = 4096
_MOST_GROWTH_BYTES = 4 * 2**20


class Remembered(NamedTuple):
    """What a file says."""

    counters: ReleaseCounters
    units: SeenUnits


class TallyFile:
    """The file of one release. Writing belongs to one thread at a time."""

    def __init__(self, path: Path, release: str) -> None:
        self._path = path
        self._release = release
        self.tally = uuid.uuid4().hex
        """Name of the tally: a new one, until `read` has found the one that was written."""
        self._whole_bytes = self._bytes = 0
        self.wants_whole = True

    def read(self) -> Remembered | None:
        """What was written last; None where there is no file of this release.

        Whatever follows a line that is not whole is left out: a kill tears at most the last one.
        """
        try:
            lines = self._path.read_bytes().splitlines(keepends=True)
        except FileNotFoundError:
            return None
        bodies = _bodies(lines)
        named = next(bodies, {})
        if named.get("release") != self._release:
            return None
        counters, units = ReleaseCounters(), dict[int, tuple[int, int]]()
        for body in bodies:
            units.update((key, (seen_in, counted)) for key, seen_in, counted in body["units"])
            if "counters" in body:
                counters = ReleaseCounters.from_json(body["counters"])
        self.tally = str(named["tally"])
        return Remembered(counters, units)

    def write(self, changes: TallyChanges, *, whole: bool) -> None:
        """Adds what has changed, or writes the file anew where `changes` are all there is to know.

        Raises:
            OSError, StorageFullError: it could not; the next time it wants the whole.
        """
        self.wants_whole = True
        if whole:
            with file_written_atomically(self._path) as file:
                self._bytes = sum(map(file.write, self._whole_lines(changes)))
            self._whole_bytes = self._bytes
        else:
            line = _line({"counters": changes.counters.to_json(), "units": _rows(changes.units)})
            with self._path.open("ab") as file:
                self._bytes += file.write(line)
        self.wants_whole = self._bytes - self._whole_bytes > self._whole_bytes + _MOST_GROWTH_BYTES

    def _whole_lines(self, changes: TallyChanges) -> Iterator[bytes]:
        yield _line({"release": self._release, "tally": self.tally})
        rows = iter(_rows(changes.units))
        while some := list(islice(rows, _UNITS_A_LINE)):  # one long line would hold up the event loop
            yield _line({"units": some})
        yield _line({"counters": changes.counters.to_json(), "units": []})


def _rows(units: SeenUnits) -> list[tuple[int, int, int]]:
    return [(key, seen_in, counted) for key, (seen_in, counted) in units.items()]


def _line(document: dict[str, Any]) -> bytes:
    # Not msgspec: one bit a class makes numbers of more than 64 bits.
    body = json.dumps(document, separators=(",", ":")).encode()
    return b"%08x %b\n" % (zlib.crc32(body), body)


def _bodies(lines: list[bytes]) -> Iterator[dict[str, Any]]:
    for line in lines:
        body = line_body(line)
        if body is None:
            return
        yield json.loads(body)
