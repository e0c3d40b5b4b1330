"""What a journal's lines and places look like."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.domain.errors import InvalidRequestError
from seatrial.domain.inference import MetricValue, Outcome, PredictionRecord, TrueLabel
from seatrial.serving.journal_format import Cursor, JournalEntry, decode_entry, encode_line, line_body, segments

WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
RECORDS = st.builds(
    PredictionRecord, WORDS, WORDS, WORDS, st.sampled_from(Outcome), NUMBERS, st.none() | WORDS,
    st.integers(0, 2**40), st.integers(0, 2**40), NUMBERS, NUMBERS,
    st.lists(WORDS, max_size=3).map(tuple), st.lists(NUMBERS, max_size=3).map(tuple),
)  # fmt: skip
ENTRIES = st.one_of(
    st.builds(JournalEntry, NUMBERS, prediction=RECORDS),
    st.builds(JournalEntry, NUMBERS, true_label=st.builds(TrueLabel, WORDS, st.integers(0, 9), WORDS, WORDS, WORDS)),
    st.builds(
        JournalEntry, NUMBERS, metric_value=st.builds(MetricValue, WORDS, NUMBERS, st.none() | WORDS, st.none() | WORDS)
    ),
)


@given(ENTRIES)
def test_an_entry_comes_back_as_it_was(entry: JournalEntry) -> None:
    line = encode_line(entry)
    assert line.count(b"\n") == 1
    body = line_body(line)
    assert body is not None
    assert decode_entry(body) == entry


def test_a_line_with_any_byte_altered_or_missing_is_noticed() -> None:
    line = encode_line(JournalEntry(1.5, true_label=TrueLabel("r", 0, "good")))
    for place in range(len(line)):
        for bit in range(8):
            altered = bytearray(line)
            altered[place] ^= 1 << bit
            assert line_body(bytes(altered)) is None
        assert line_body(line[:place]) is None
        assert line_body(line[:place] + line[place + 1 :]) is None


@pytest.mark.parametrize("body", [b"{}", b"[]", b"1", b'{"at_s":"now"}', b'{"at_s":1,"prediction":{"request_id":"r"}}'])
def test_a_body_that_says_something_else_is_no_entry(body: bytes) -> None:
    assert decode_entry(body) is None


def test_what_a_newer_version_added_is_left_out() -> None:
    body = b'{"at_s":1,"colour":"red","true_label":{"request_id":"r","index":0,"label":"good","by":"ann"}}'
    assert decode_entry(body) == JournalEntry(1.0, true_label=TrueLabel("r", 0, "good"))


@given(st.tuples(st.integers(0, 10**16 - 1), st.integers(0, 10**12 - 1)), st.integers(1, 2**40))
def test_places_have_the_same_order_as_text(place: tuple[int, int], further: int) -> None:
    here = Cursor(*place)
    assert Cursor.parse(str(here)) == here
    for later in (Cursor(here.segment, here.offset + further), Cursor(here.segment + further, 0)):
        if later.segment < 10**16 and later.offset < 10**12:
            assert str(later) > str(here)
            assert later > here


@pytest.mark.parametrize("text", ["x", "1-2", "0" * 16 + "-" + "0" * 11, "-" * 29, "٠" * 16 + "-" + "٠" * 12, " "])
def test_another_text_is_no_place(text: str) -> None:
    with pytest.raises(InvalidRequestError, match="no cursor"):
        Cursor.parse(text)


def test_only_segments_count_and_a_missing_directory_has_none(tmp_path: Path) -> None:
    for name in ("0000000000000002.journal", "0000000000000001.journal", ".lock", "1.journal", "a.journal", "x"):
        (tmp_path / name).touch()
    assert segments(tmp_path) == [1, 2]
    assert segments(tmp_path / "absent") == []
