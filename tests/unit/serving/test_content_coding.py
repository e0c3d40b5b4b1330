"""Packing and unpacking of bodies, and the choice of a coding."""

from __future__ import annotations

import contextlib
import gzip
import itertools
import os
import zlib

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.domain.errors import InvalidRequestError
from seatrial.serving.content_coding import PIECE_BYTES, Unpacker, choose_coding, compress, unpacker

CODINGS = ("gzip", "zstd")


def made(coding: str) -> Unpacker:
    unpack = unpacker(coding)
    assert unpack is not None
    return unpack


def unpacked(coding: str, *pieces: bytes) -> bytes:
    unpack = made(coding)
    plain = b"".join(itertools.chain.from_iterable(map(unpack.feed, pieces)))
    unpack.end()
    return plain


@pytest.mark.parametrize("coding", CODINGS)
@settings(max_examples=60, deadline=None)
@given(body=st.binary(max_size=5000), cuts=st.lists(st.integers(0, 6000), max_size=6), times=st.integers(1, 40))
def test_what_was_packed_is_unpacked_however_it_arrives(coding: str, body: bytes, cuts: list[int], times: int) -> None:
    packed = compress(coding, body * times)
    edges = [0, *sorted(cuts), len(packed)]
    assert unpacked(coding, *(packed[a:b] for a, b in itertools.pairwise(edges))) == body * times


@pytest.mark.parametrize("coding", CODINGS)
def test_other_programs_understand_what_is_packed(coding: str) -> None:
    packed = compress(coding, b"fine" * 1000)
    plain = gzip.decompress(packed) if coding == "gzip" else zstandard.ZstdDecompressor().decompress(packed)
    assert plain == b"fine" * 1000


def test_streams_one_after_the_other_are_one_body() -> None:
    for coding in CODINGS:
        assert unpacked(coding, compress(coding, b"go") + compress(coding, b"od")) == b"good"


@pytest.mark.parametrize("coding", CODINGS)
def test_nothing_at_all_is_an_empty_body(coding: str) -> None:
    assert unpacked(coding) == unpacked(coding, b"") == b""


@pytest.mark.parametrize("coding", CODINGS)
def test_a_bomb_comes_out_in_small_pieces(coding: str) -> None:
    largest = 4 * 2**20 if coding == "zstd" else PIECE_BYTES
    sizes = [len(piece) for piece in made(coding).feed(compress(coding, bytes(50 * 2**20)))]
    assert sum(sizes) == 50 * 2**20
    assert max(sizes) <= largest


@pytest.mark.parametrize("coding", CODINGS)
def test_rubbish_is_refused_where_it_begins(coding: str) -> None:
    for body in (
        b"plain words",
        b"\x00" * 100,
        compress(coding, b"good") + b"rubbish after",
        compress("gzip", b"x")[1:],
    ):
        with pytest.raises(InvalidRequestError, match=f"no {coding}|middle"):
            unpacked(coding, body)


@pytest.mark.parametrize("coding", CODINGS)
@settings(max_examples=200, deadline=None)
@given(rubbish=st.binary(max_size=300))
def test_any_bytes_are_unpacked_or_refused(coding: str, rubbish: bytes) -> None:
    magic = compress(coding, b"")[:4]
    for body in (rubbish, magic + rubbish):
        with contextlib.suppress(InvalidRequestError):
            unpacked(coding, body)


@pytest.mark.parametrize("coding", CODINGS)
def test_a_stream_that_is_cut_off_is_refused_at_its_end(coding: str) -> None:
    packed = compress(coding, os.urandom(1000))
    for length in range(1, len(packed)):
        with pytest.raises(InvalidRequestError, match=r"middle of its|no "):
            unpacked(coding, packed[:length])


def test_a_wrong_checksum_is_refused() -> None:
    packed = bytearray(compress("gzip", b"good"))
    packed[-5] ^= 1
    with pytest.raises(InvalidRequestError):
        unpacked("gzip", bytes(packed))


@pytest.mark.parametrize("coding", CODINGS)
def test_very_many_empty_streams_are_refused(coding: str) -> None:
    with pytest.raises(InvalidRequestError, match="100 compressed streams"):
        unpacked(coding, compress(coding, b"") * 101)
    assert unpacked(coding, compress(coding, b"") * 100) == b""


def test_a_zstd_window_over_the_limit_of_http_is_refused() -> None:
    wide = zstandard.ZstdCompressionParameters(window_log=25, enable_ldm=True)
    compressor = zstandard.ZstdCompressor(compression_params=wide).compressobj()
    packed = compressor.compress(os.urandom(2**24)) + compressor.flush()
    with pytest.raises(InvalidRequestError):
        unpacked("zstd", packed)


def test_codings_by_name() -> None:
    assert unpacked(" X-GZIP", zlib.compress(b"good", 9, 31)) == b"good"
    for coding in ("br", "deflate", "gzip, zstd", "", "identity"):
        assert unpacker(coding) is None


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        ("", ("", False)),
        ("identity", ("", False)),
        ("gzip, deflate", ("gzip", False)),
        ("gzip, deflate, br, zstd", ("zstd", False)),
        ("GZIP", ("gzip", False)),
        ("x-gzip", ("gzip", False)),
        ("*", ("zstd", False)),
        ("zstd;q=0, *", ("gzip", False)),
        ("zstd;q=0.5, gzip;q=1.0", ("gzip", False)),
        ("gzip;q=0", ("", False)),
        ("gzip;q=0.2, identity;q=0.5", ("", False)),
        ("gzip; q=0.5 , identity;q=0", ("gzip", True)),
        ("gzip, *;q=0", ("gzip", True)),
        ("identity;q=0", ("", False)),
        ("gzip;q=nonsense", ("", False)),
        ("gzip;q=nan", ("", False)),
        ("gzip;q=9", ("gzip", False)),
        (",,;;=", ("", False)),
        ("br", ("", False)),
    ],
)
def test_the_choice_of_a_coding(accept: str, chosen: tuple[str, bool]) -> None:
    assert choose_coding(accept) == chosen
