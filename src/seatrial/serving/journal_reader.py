"""Reading a journal from any place on, also while data planes of this or other processes write it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from seatrial.serving.journal_format import Cursor, JournalEntry, decode_entry, line_body, segment_path, segments

__all__ = ["BodyPage", "JournalPage", "JournalReader"]

_PAGE_BYTES = 4 * 2**20
"""A page ends here even if it has fewer entries than it may: what is sent and held in memory is bounded."""


@dataclass(frozen=True, slots=True)
class BodyPage:
    """Entries as they were written, in order.

    Attributes:
        bodies: the JSON of each entry.
        next: where the next page begins.
        damaged: lines that were skipped: torn by a kill, or altered on the disk.
        missed: whether entries after the asked place were deleted before they were read.
    """

    bodies: list[bytes]
    next: Cursor
    damaged: int
    missed: bool


@dataclass(frozen=True, slots=True)
class JournalPage:
    """Entries in order; the rest as in `BodyPage`.

    Attributes:
        next: where the next page begins, to be kept and given to `JournalReader.read`; greater at each page with
            entries, also as text.
    """

    entries: list[JournalEntry]
    next: str
    damaged: int
    missed: bool


class _Line(NamedTuple):
    """One line, its body None where it is damaged, and the place after it."""

    body: bytes | None
    size_bytes: int
    end: Cursor


class JournalReader:
    """Reads the journal of a directory; opens nothing for longer than a page and locks nobody out.

    Args:
        directory: of the segments; it need not exist yet.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def read(self, after: str = "", limit: int = 1000) -> JournalPage:
        """The entries after a place, at most `limit`; none where nothing new was written.

        Raises:
            InvalidRequestError: `after` is no cursor.
        """
        page = self.read_bodies(Cursor.parse(after), limit)
        entries = [entry for body in page.bodies if (entry := decode_entry(body))]
        unread = len(page.bodies) - len(entries)
        return JournalPage(entries, str(page.next), page.damaged + unread, page.missed)

    def read_bodies(self, after: Cursor, limit: int) -> BodyPage:
        """As `read`, without decoding anything."""
        bodies: list[bytes] = []
        place, damaged, size_bytes = after, 0, 0
        present = segments(self._directory)
        for line in self._lines(after, present):
            place = line.end
            size_bytes += line.size_bytes
            if line.body is None:
                damaged += 1
            else:
                bodies.append(line.body)
            if len(bodies) >= limit or size_bytes >= _PAGE_BYTES:
                break
        else:
            if present:  # a segment that was read to its end may be deleted, and nothing is missed then
                place = max(place, Cursor(present[-1], 0))
        missed = bool(present and after.segment and after.segment < present[0])
        return BodyPage(bodies, max(place, after), damaged, missed)

    def _lines(self, after: Cursor, present: list[int]) -> Iterator[_Line]:
        """Each whole line after a place, and what a writer that was killed left at the end of its segment."""
        for number in present:
            if number < after.segment:
                continue
            offset = after.offset if number == after.segment else 0
            try:
                file = segment_path(self._directory, number).open("rb")
            except FileNotFoundError:  # deleted since the directory was listed
                continue
            with file:
                file.seek(offset)
                for line in file:
                    if not line.endswith(b"\n") and number == present[-1]:
                        return  # still being written
                    offset += len(line)
                    yield _Line(line_body(line), len(line), Cursor(number, offset))
