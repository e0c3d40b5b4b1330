"""What the journal's files look like: names of segments, lines with a checksum, and places in them."""

from __future__ import annotations

import os
import re
import zlib
from pathlib import Path
from typing import NamedTuple, Self

import msgspec

from seatrial.domain.errors import InvalidRequestError
from seatrial.domain.inference import MetricValue, PredictionRecord, TrueLabel

__all__ = [
    "START",
    "Cursor",
    "JournalEntry",
    "decode_entry",
    "encode_line",
    "line_body",
    "segment_path",
    "segments",
]

_SEGMENT = re.compile(r"(\d{16})\.journal")
_CURSOR = re.compile(r"([0-9]{16})-([0-9]{12})")
_BODY_AT = 9
"""Where a line's body begins: after eight digits of checksum and a space."""


class JournalEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One fact and when it was written down; exactly one of the kinds is there.

    Attributes:
        at_s: seconds since 1970.
    """

    at_s: float
    prediction: PredictionRecord | None = None
    true_label: TrueLabel | None = None
    metric_value: MetricValue | None = None


class Cursor(NamedTuple):
    """A place between two entries. Later places are greater, also as text.

    Attributes:
        segment: number of the segment.
        offset: bytes before the place.

    Example:
        >>> str(Cursor(1764037284123, 42)), Cursor.parse("") == START
        ('0001764037284123-000000000042', True)
    """

    segment: int
    offset: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads what `str` wrote; an empty text is the beginning.

        Raises:
            InvalidRequestError: it is no cursor.
        """
        if not text:
            return cls(0, 0)
        found = _CURSOR.fullmatch(text)
        if not found:
            raise InvalidRequestError(
                f"after is no cursor of a journal ({text[:60]!r}): send what the page before gave as next, or nothing."
            )
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"{self.segment:016d}-{self.offset:012d}"


START = Cursor(0, 0)
"""Before the first entry of any journal."""

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(JournalEntry)


def encode_line(entry: JournalEntry) -> bytes:
    r"""The line of an entry: CRC-32 of the body in eight hexadecimal digits, a space, the body as JSON, a line feed.

    JSON escapes every line feed, so a reader finds the next line whatever happened to the one before.

    Example:
        >>> encode_line(JournalEntry(1.5))
        b'65253ccb {"at_s":1.5}\n'
    """
    body = _encoder.encode(entry)
    return b"%08x %b\n" % (zlib.crc32(body), body)


def line_body(line: bytes) -> bytes | None:
    r"""The body of a line, None where the line is not whole or not what was written.

    Example:
        >>> line_body(b'65253ccb {"at_s":1.5}\n'), line_body(b'65253ccb {"at_s":1.6}\n'), line_body(b'65253')
        (b'{"at_s":1.5}', None, None)
    """
    body = line[_BODY_AT:-1]
    return body if line[:_BODY_AT] == b"%08x " % zlib.crc32(body) and line.endswith(b"\n") else None


def decode_entry(body: bytes) -> JournalEntry | None:
    """Reads a body without the fields that a newer version added; None where it is no entry of ours."""
    try:
        return _decoder.decode(body)
    except msgspec.DecodeError:
        return None


def segment_path(directory: Path, segment: int) -> Path:
    """Where a segment lies. Its number is the moment it was begun, in milliseconds since 1970."""
    return directory / f"{segment:016d}.journal"


def segments(directory: Path) -> list[int]:
    """Numbers of the segments that are there, oldest first; none where there is no directory."""
    try:
        names = os.listdir(directory)  # noqa: PTH208  a list of names at each write: paths would cost ten times that
    except FileNotFoundError:
        return []
    return sorted(int(found[1]) for name in names if (found := _SEGMENT.fullmatch(name)))
