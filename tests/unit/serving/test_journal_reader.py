"""Reading a journal: whole, torn, altered, growing, shrinking."""

from __future__ import annotations

import itertools
import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.domain.errors import InvalidRequestError
from seatrial.serving import journal_reader
from seatrial.serving.journal_format import Cursor, segment_path
from seatrial.serving.journal_reader import JournalReader
from tests.journals import POLICY, Clock, all_entries, ids, line, lines, record, segment_files, written


def test_entries_come_back_in_order_page_by_page(tmp_path: Path) -> None:
    clock = Clock()
    written(tmp_path, lines(3, "a"), lines(2, "b"), clock=clock).close()
    clock.now_s += 1
    written(tmp_path, lines(2, "c"), clock=clock).close()
    expected = ["a0", "a1", "a2", "b0", "b1", "c0", "c1"]
    for limit in (1, 2, 3, 7, 1000):
        assert ids(all_entries(tmp_path, limit)) == expected
    first = JournalReader(tmp_path).read("", 1).entries[0]
    assert (first.prediction, first.at_s) == (record("a0"), 1.0)


def test_nothing_is_there_before_anything_was_written(tmp_path: Path) -> None:
    page = JournalReader(tmp_path / "absent").read()
    assert (page.entries, page.next, page.damaged, page.missed) == ([], "0" * 16 + "-" + "0" * 12, 0, False)
    assert JournalReader(tmp_path).read(page.next).entries == []


def test_what_is_no_place_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError):
        JournalReader(tmp_path).read("yesterday")


def test_a_line_cut_anywhere_waits_until_it_is_whole(tmp_path: Path) -> None:
    written(tmp_path, lines(1)).close()
    (segment,) = segment_files(tmp_path)
    whole, last = segment.read_bytes(), line("last")
    for cut in range(1, len(last)):
        segment.write_bytes(whole + last[:cut])
        page = JournalReader(tmp_path).read()
        assert (ids(page.entries), page.damaged) == (["r0"], 0)
        segment.write_bytes(whole + last)
        assert ids(JournalReader(tmp_path).read(page.next).entries) == ["last"]


def test_a_torn_end_of_an_older_segment_is_skipped_and_counted(tmp_path: Path) -> None:
    clock = Clock()
    written(tmp_path, lines(2)).close()
    (segment,) = segment_files(tmp_path)
    whole, last = segment.read_bytes(), line("last")
    clock.now_s += 1
    written(tmp_path, lines(1, "after"), clock=clock).close()
    for cut in range(1, len(last)):
        segment.write_bytes(whole + last[:cut])
        page = JournalReader(tmp_path).read()
        assert (ids(page.entries), page.damaged) == (["r0", "r1", "after0"], 1)


def test_the_next_writer_of_a_torn_segment_loses_nothing(tmp_path: Path) -> None:
    writer = written(tmp_path, lines(2))
    cuts = range(1, len(line("x")) - 1)
    for cut in cuts:  # as a second process leaves it that is killed while it writes
        with segment_files(tmp_path)[-1].open("ab") as file:
            file.write(line("x")[:cut])
        assert writer.append([line(f"after{cut}")], POLICY.max_bytes).lines == 1
    page = JournalReader(tmp_path).read()
    assert ids(page.entries) == ["r0", "r1", *(f"after{cut}" for cut in cuts)]
    assert page.damaged == len(cuts)
    writer.close()


def test_any_altered_byte_costs_at_most_the_lines_it_touches(tmp_path: Path) -> None:
    written(tmp_path, lines(3)).close()
    (segment,) = segment_files(tmp_path)
    whole = segment.read_bytes()
    for place, change in zip(range(len(whole) - 1), itertools.cycle((0x01, 0x80, 0x0A, 0x20)), strict=False):
        altered = bytearray(whole)
        altered[place] ^= change
        segment.write_bytes(altered)
        page = JournalReader(tmp_path).read()
        found = ids(page.entries)
        assert found == [name for name in ("r0", "r1", "r2") if name in found]
        assert len(found) >= 1
        assert 1 <= page.damaged <= 2
        assert page.next == JournalReader(tmp_path).read(page.next).next


GARBAGE = st.binary(max_size=40)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(GARBAGE, st.integers(0, 2)), max_size=8), st.integers(1, 5), GARBAGE)
def test_whatever_stands_between_whole_lines_they_are_all_read(
    pieces: list[tuple[bytes, int]], limit: int, tail: bytes
) -> None:
    with tempfile.TemporaryDirectory() as made:
        directory, expected, content = Path(made), list[str](), b""
        for i, (garbage, count) in enumerate(pieces):
            content += garbage + b"\n" + b"".join(lines(count, f"{i}-"))
            expected += [f"{i}-{j}" for j in range(count)]
        segment_path(directory, 7).write_bytes(content + tail)
        assert ids(all_entries(directory, limit)) == expected


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10), st.integers(0, 3000), st.integers(1, 4))
def test_any_place_can_be_asked_for(segment: int, offset: int, limit: int) -> None:
    with tempfile.TemporaryDirectory() as made:
        for number in (3, 6):
            segment_path(Path(made), number).write_bytes(b"".join(lines(3, f"{number}-")))
        page = JournalReader(Path(made)).read(str(Cursor(segment, offset)), limit)
        assert page.next >= str(Cursor(segment, offset))
        assert len(page.entries) <= limit
        assert page.damaged <= 1


def test_deleted_unread_entries_are_missed_and_read_ones_are_not(tmp_path: Path) -> None:
    clock = Clock()
    written(tmp_path, lines(2, "a"), clock=clock).close()
    half = JournalReader(tmp_path).read("", 1).next
    clock.now_s += 1
    written(tmp_path, lines(2, "b"), clock=clock).close()
    whole = JournalReader(tmp_path).read("", 2)
    assert ids(whole.entries) == ["a0", "a1"]
    rest = JournalReader(tmp_path).read(whole.next)
    segment_files(tmp_path)[0].unlink()
    assert JournalReader(tmp_path).read(half).missed
    assert ids(JournalReader(tmp_path).read(half).entries) == ["b0", "b1"]
    assert not JournalReader(tmp_path).read(rest.next).missed
    assert not JournalReader(tmp_path).read("").missed


def test_a_segment_that_lost_its_end_with_the_machine_shifts_no_place(tmp_path: Path) -> None:
    clock = Clock()
    written(tmp_path, lines(3), clock=clock).close()
    page = JournalReader(tmp_path).read()
    (segment,) = segment_files(tmp_path)
    segment.write_bytes(segment.read_bytes()[:100])
    clock.now_s += 1
    written(tmp_path, lines(3, "after"), clock=clock).close()
    assert ids(JournalReader(tmp_path).read(page.next).entries) == ["after0", "after1", "after2"]


def test_a_page_is_bounded_in_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path, lines(10)).close()
    monkeypatch.setattr(journal_reader, "_PAGE_BYTES", 3 * len(line("r0")) - 1)
    assert len(JournalReader(tmp_path).read().entries) == 3
    assert ids(all_entries(tmp_path)) == [f"r{i}" for i in range(10)]


def test_a_reader_beside_a_writer_gets_every_entry_once_and_in_order(tmp_path: Path) -> None:
    clock, done = Clock(), threading.Event()

    def write() -> None:
        try:
            for part in range(5):
                clock.now_s += 1
                writer = written(tmp_path, *(lines(3, f"{part}-{batch}-") for batch in range(100)), clock=clock)
                writer.close()
        finally:
            done.set()

    thread = threading.Thread(target=write)
    thread.start()
    after, found = "", list[str]()
    while True:
        ended = done.is_set()
        page = JournalReader(tmp_path).read(after, 7)
        found += ids(page.entries)
        assert page.damaged == 0
        if ended and page.next == after:
            break
        after = page.next
    thread.join()
    assert found == [f"{part}-{batch}-{i}" for part in range(5) for batch in range(100) for i in range(3)]
