"""Compressed bodies: which coding an answer gets, and bodies unpacked in small pieces whatever they hide.

Source: RFC 9110 sections 8.4 and 12.5.3 (content codings, Accept-Encoding); RFC 1952 (gzip); RFC 8878 and RFC 9659
(zstd, and its largest window in HTTP).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Protocol

from seatrial.domain.errors import InvalidRequestError

__all__ = ["PIECE_BYTES", "Gunzip", "Unpacker", "Unzstd", "choose_coding", "compress", "unpacker"]

PIECE_BYTES = 2**16
"""What is unpacked at once: so much more than its limit may a body take, and so long is the event loop held."""

_GZIP_WBITS = 16 + zlib.MAX_WBITS
_ZSTD_WINDOW_BYTES = 2**23
_ZSTD_FEED_BYTES = 128
"""The library cannot stop in the middle of its input. A zstd block takes 4 bytes or more and holds 128 KiB at most, so
this much input never becomes more than 4 MiB at once."""
_MOST_MEMBERS = 100
"""Streams that may stand one after the other in a body. Each costs time even when it is empty."""
_FASTEST = 1
"""Level of both codings: the processor belongs to the engine, and higher levels save little of JSON."""


class Unpacker(Protocol):
    """Turns the pieces of a coded body into pieces of the plain one."""

    def feed(self, coded: bytes) -> Iterator[bytes]:
        """Pieces of the plain body, a few KiB each, made as they are asked for.

        Raises:
            InvalidRequestError: the body is not what its coding says.
        """
        ...

    def end(self) -> None:
        """Says that there is no more.

        Raises:
            InvalidRequestError: the body was cut off.
        """
        ...


class Gunzip:
    """A gzip body; several members count as one body, as the format demands."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(_GZIP_WBITS)
        self._begun = 0

    def feed(self, coded: bytes) -> Iterator[bytes]:
        """See `Unpacker`."""
        while coded:
            if self._member.eof:
                self._member = zlib.decompressobj(_GZIP_WBITS)
                self._begun = _one_more(self._begun)
            self._begun = self._begun or 1
            try:
                plain = self._member.decompress(coded, PIECE_BYTES)
            except zlib.error as error:
                raise _broken("gzip") from error
            yield plain
            coded = self._member.unused_data if self._member.eof else self._member.unconsumed_tail

    def end(self) -> None:
        """See `Unpacker`."""
        if self._begun and not self._member.eof:
            raise _cut_off("gzip")


class Unzstd:
    """A zstd body; several frames count as one body."""

    def __init__(self) -> None:
        import zstandard

        self._broken_frame = zstandard.ZstdError
        self._decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_BYTES)
        self._frame = self._decompressor.decompressobj(write_size=PIECE_BYTES // 4)
        self._begun = 0

    def feed(self, coded: bytes) -> Iterator[bytes]:
        """See `Unpacker`."""
        for start in range(0, len(coded), _ZSTD_FEED_BYTES):
            piece = coded[start : start + _ZSTD_FEED_BYTES]
            while piece:
                if self._frame.eof:
                    self._frame = self._decompressor.decompressobj(write_size=PIECE_BYTES // 4)
                    self._begun = _one_more(self._begun)
                self._begun = self._begun or 1
                try:
                    plain = self._frame.decompress(piece)
                except self._broken_frame as error:
                    raise _broken("zstd") from error
                yield plain
                piece = self._frame.unused_data if self._frame.eof else b""

    def end(self) -> None:
        """See `Unpacker`."""
        if self._begun and not self._frame.eof:
            raise _cut_off("zstd")


def unpacker(coding: str) -> Unpacker | None:
    """What unpacks a body of that Content-Encoding; None for one that is not known, and for none at all.

    Example:
        >>> unpacker("br") is None, b"".join(unpacker("GZIP").feed(compress("gzip", b"fine")))
        (True, b'fine')
    """
    match coding.strip().lower():
        case "gzip" | "x-gzip":
            return Gunzip()
        case "zstd":
            return Unzstd()
    return None


def compress(coding: str, body: bytes) -> bytes:
    """The whole body in the coding that `choose_coding` chose."""
    if coding == "zstd":
        import zstandard

        packed: bytes = zstandard.ZstdCompressor(_FASTEST).compress(body)
        return packed
    return zlib.compress(body, _FASTEST, _GZIP_WBITS)


def choose_coding(accept: str) -> tuple[str, bool]:
    """The coding an Accept-Encoding header prefers, zstd before gzip where it does not care; empty for none.

    Returns:
        The coding, and whether it must be used because the client refuses plain bodies.

    Example:
        >>> choose_coding("gzip, zstd"), choose_coding("gzip;q=0.8, zstd;q=0.1"), choose_coding("identity, br")
        (('zstd', False), ('gzip', False), ('', False))
        >>> choose_coding("gzip, identity;q=0"), choose_coding("gzip;q=0, *;q=0")
        (('gzip', True), ('', False))
    """
    weights: dict[str, float] = {}
    for part in accept.lower().split(","):
        name, _, parameter = part.partition(";")
        weights[name.strip()] = _weight(parameter)
    others = weights.get("*", 0.0)
    zstd = weights.get("zstd", others)
    gzip = max(weights.get("gzip", others), weights.get("x-gzip", 0.0))
    plain = weights.get("identity", weights.get("*", 1.0))
    best = max(zstd, gzip)
    if best <= 0 or ("identity" in weights and plain > best):
        return "", False
    return ("zstd" if zstd == best else "gzip"), plain <= 0


def _weight(parameter: str) -> float:
    """The number of ``q=…``; 1 where there is none, 0 where it is no number."""
    name, _, value = parameter.replace(" ", "").partition("=")
    if name != "q":
        return 1.0
    try:
        return min(max(float(value), 0.0), 1.0)  # NaN becomes 0, too: no comparison with it is true
    except ValueError:
        return 0.0


def _one_more(members: int) -> int:
    if members == _MOST_MEMBERS:
        raise InvalidRequestError(f"The body has over {_MOST_MEMBERS} compressed streams: send it as one.")
    return members + 1


def _broken(coding: str) -> InvalidRequestError:
    return InvalidRequestError(f"The body is no {coding}: compress it again, or leave Content-Encoding out.")


def _cut_off(coding: str) -> InvalidRequestError:
    return InvalidRequestError(f"The body ends in the middle of its {coding} stream: send all of it.")
