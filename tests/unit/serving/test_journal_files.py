"""The writer's side of the directory: segments, limits, several writers, a full disk."""

from __future__ import annotations

import errno
import os
import shutil
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from seatrial.serving.journal_files import Appended, JournalFiles, JournalPolicy
from seatrial.serving.journal_format import segments
from seatrial.serving.journal_reader import JournalReader
from tests.journals import POLICY, Clock, all_entries, ids, line, lines, segment_files, written
from tests.limits import file_size_limit

SEGMENT_LINES = POLICY.segment_bytes // len(line("00000")) + 1
"""Lines of which a segment is full."""


def numbered(start: int, count: int) -> list[bytes]:
    return [line(f"{start + i:05}") for i in range(count)]


def fill(files: JournalFiles, start: int, count: int, policy: JournalPolicy = POLICY) -> Appended:
    return files.append(numbered(start, count), policy.max_bytes)


def size_on_disk(directory: Path) -> int:
    return sum(path.stat().st_size for path in segment_files(directory))


def test_a_full_segment_is_followed_by_another(tmp_path: Path) -> None:
    files = JournalFiles(tmp_path, POLICY, Clock())
    for batch in range(3):
        assert fill(files, batch * SEGMENT_LINES, SEGMENT_LINES) == (SEGMENT_LINES, "", None)
    assert len(segments(tmp_path)) == 3
    assert files.size_bytes == size_on_disk(tmp_path)
    assert len(all_entries(tmp_path)) == 3 * SEGMENT_LINES
    files.close()
    files.close()


def test_numbers_of_segments_grow_although_the_clock_stands_still_or_goes_back(tmp_path: Path) -> None:
    clock = Clock()
    written(tmp_path, lines(1), clock=clock).close()
    written(tmp_path, lines(1), clock=clock).close()
    clock.now_s -= 1000
    written(tmp_path, lines(1), clock=clock).close()
    first, *others = segments(tmp_path)
    assert first == 1_700_000_000_000
    assert others == [first + 1, first + 2]


def test_an_hour_ends_a_segment_also_when_nothing_is_written(tmp_path: Path) -> None:
    clock = Clock()
    files = written(tmp_path, lines(1), clock=clock)
    files.tend()
    assert len(segments(tmp_path)) == 1
    clock.now_s += 3600
    files.tend()
    files.tend()
    assert len(segments(tmp_path)) == 2
    clock.now_s += 3600
    files.tend()
    assert len(segments(tmp_path)) == 2, "an empty segment is not followed by another"
    assert files.append(lines(1, "b"), POLICY.max_bytes).lines == 1
    assert len(segments(tmp_path)) == 2
    files.close()


def test_what_is_to_be_forgotten_is_deleted_by_time_alone(tmp_path: Path) -> None:
    clock = Clock()
    written(tmp_path, lines(1), clock=clock).close()
    clock.now_s += 1
    successor = JournalFiles(tmp_path, POLICY, clock)
    clock.now_s += 3600
    successor.tend()
    assert len(segments(tmp_path)) == 2
    clock.now_s += POLICY.forget_s - 1
    successor.tend()
    assert len(segments(tmp_path)) == 2
    clock.now_s += 1
    successor.tend()
    assert ids(all_entries(tmp_path)) == []
    assert len(segments(tmp_path)) == 1
    successor.close()


def test_tending_a_journal_that_does_not_exist_makes_nothing(tmp_path: Path) -> None:
    JournalFiles(tmp_path / "journal", POLICY).tend()
    assert list(tmp_path.iterdir()) == []


def test_at_the_limit_the_oldest_give_way_once_they_are_old_enough(tmp_path: Path) -> None:
    clock = Clock()
    files = JournalFiles(tmp_path, POLICY, clock)
    done = 0
    while not (appended := fill(files, done, SEGMENT_LINES)).reason:
        done += SEGMENT_LINES
        clock.now_s += 0.001
    done += appended.lines
    assert appended.reason == "limit"
    assert POLICY.max_bytes - len(line("00000")) < size_on_disk(tmp_path) <= POLICY.max_bytes
    assert fill(files, done, 1) == (0, "limit", None)
    assert len(all_entries(tmp_path)) == done, "what is young is not deleted"
    clock.now_s += POLICY.keep_s
    assert fill(files, done, SEGMENT_LINES) == (SEGMENT_LINES, "", None)
    assert size_on_disk(tmp_path) <= POLICY.max_bytes
    assert ids(all_entries(tmp_path)) == [f"{i:05}" for i in range(SEGMENT_LINES, done + SEGMENT_LINES)]
    files.close()


def test_records_stop_before_feedback_does(tmp_path: Path) -> None:
    files = JournalFiles(tmp_path, POLICY, Clock())
    while not files.append(numbered(0, 50), POLICY.record_bytes).reason:
        pass
    assert POLICY.record_bytes - len(line("00000")) < size_on_disk(tmp_path) <= POLICY.record_bytes
    assert files.append(numbered(0, 50), POLICY.max_bytes).lines == 50
    files.close()


def test_writers_take_turns_and_none_divides_a_batch_of_another(tmp_path: Path) -> None:
    def write(name: str) -> None:
        files = JournalFiles(tmp_path, POLICY)
        for batch in range(40):
            assert files.append(lines(20, f"{name}-{batch}-"), POLICY.max_bytes).lines == 20
        files.sync()
        sizes.append(files.size_bytes)
        files.close()

    sizes: list[int] = []
    threads = [threading.Thread(target=write, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = ids(all_entries(tmp_path))
    assert len(found) == 3 * 40 * 20
    for name in "abc":
        assert [i for i in found if i.startswith(name)] == [f"{name}-{b}-{i}" for b in range(40) for i in range(20)]
    for place in range(0, len(found), 20):
        assert len({request_id.rpartition("-")[0] for request_id in found[place : place + 20]}) == 1
    assert max(sizes) == size_on_disk(tmp_path)


def test_a_writer_follows_another_to_the_newest_segment(tmp_path: Path) -> None:
    first = written(tmp_path, lines(1, "a"))
    second = written(tmp_path, lines(1, "b"))
    assert first.append(lines(1, "c"), POLICY.max_bytes).lines == 1
    first.sync()
    older, newer = segment_files(tmp_path)
    assert older.read_bytes() == line("a0")
    assert newer.read_bytes() == line("b0") + line("c0")
    first.close()
    second.close()


def test_a_directory_that_was_removed_is_made_again(tmp_path: Path) -> None:
    clock = Clock()
    files = written(tmp_path / "journal", lines(2), clock=clock)
    before = JournalReader(tmp_path / "journal").read().next
    shutil.rmtree(tmp_path / "journal")
    clock.now_s += 1
    assert files.append(lines(2, "again"), POLICY.max_bytes) == (2, "", None)
    assert ids(JournalReader(tmp_path / "journal").read(before).entries) == ["again0", "again1"]
    assert files.size_bytes == size_on_disk(tmp_path / "journal")
    files.close()


def test_a_file_at_its_limit_keeps_whole_lines_and_another_takes_over(tmp_path: Path) -> None:
    files = written(tmp_path, lines(2))
    with file_size_limit(size_on_disk(tmp_path) + 2 * len(line("b0")) + 10):
        appended = files.append(lines(5, "b"), POLICY.max_bytes)
        assert (appended.lines, appended.reason) == (2, "disk")
        assert isinstance(appended.fault, OSError)
        assert files.append(lines(2, "c"), POLICY.max_bytes) == (2, "", None)
    with file_size_limit(10):  # no file can take a line
        for _ in range(3):
            assert files.append(lines(1, "d"), POLICY.max_bytes)[:2] == (0, "disk")
        assert len(segments(tmp_path)) <= 3, "an empty segment is used again"
    assert files.append(lines(1, "e"), POLICY.max_bytes) == (1, "", None)
    files.sync()
    page = JournalReader(tmp_path).read()
    assert ids(page.entries) == ["r0", "r1", "b0", "b1", "c0", "c1", "e0"]
    assert page.damaged == 0
    assert files.size_bytes == size_on_disk(tmp_path)
    files.close()


class FullDisk:
    """Lets through so many bytes and then has no space left; cannot cut files short either, if asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, room_bytes: int, *, cuts: bool) -> None:
        self.room_bytes = room_bytes
        self._write, self._cuts, self._truncate = os.write, cuts, os.ftruncate
        monkeypatch.setattr(os, "write", self.write)
        monkeypatch.setattr(os, "ftruncate", self.truncate)

    def write(self, file: int, content: memoryview) -> int:
        part = content[: self.room_bytes]
        if not part:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.room_bytes -= len(part)
        return self._write(file, part)

    def truncate(self, file: int, size_bytes: int) -> None:
        if not self._cuts:
            raise OSError(errno.EIO, "Input/output error")
        self._truncate(file, size_bytes)


@pytest.mark.parametrize("cuts", [True, False])
def test_a_full_disk_stops_between_lines_wherever_it_gets_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cuts: bool
) -> None:
    length = len(line("b0"))
    for room_bytes in sorted({*range(0, 3 * length, 20), length - 1, 3 * length - 1}):
        directory = tmp_path / str(room_bytes)
        files = written(directory, lines(1))
        with monkeypatch.context() as patch:
            disk = FullDisk(patch, room_bytes, cuts=cuts)
            appended = files.append(lines(3, "b"), POLICY.max_bytes)
            assert appended[:2] == (room_bytes // length, "disk")
            disk.room_bytes = 10_000
            assert files.append(lines(2, "c"), POLICY.max_bytes) == (2, "", None)
        files.sync()
        page = JournalReader(directory).read()
        assert ids(page.entries) == ["r0", *(f"b{i}" for i in range(room_bytes // length)), "c0", "c1"]
        assert page.damaged == (0 if cuts or room_bytes % length == 0 else 1)
        assert len(segments(directory)) == 1
        assert files.size_bytes == size_on_disk(directory)
        files.close()


def refusing(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, name, refuse)


def test_a_sync_that_fails_says_so_once_and_the_next_segment_is_a_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = JournalFiles(tmp_path, replace(POLICY, fsync=True))
    assert files.append(lines(1), POLICY.max_bytes).lines == 1
    with monkeypatch.context() as patch:
        refusing(patch, "fdatasync")
        with pytest.raises(OSError, match="Input/output"):
            files.sync()
        files.sync()
    assert files.append(lines(1, "b"), POLICY.max_bytes).lines == 1
    files.sync()
    assert len(segments(tmp_path)) == 2
    files.close()


def test_a_segment_that_could_not_be_synced_when_it_was_left_is_told_at_the_next_sync(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = JournalFiles(tmp_path, replace(POLICY, fsync=True))
    assert files.append(lines(1), POLICY.max_bytes).lines == 1
    written(tmp_path, lines(1, "other")).close()
    with monkeypatch.context() as patch:
        refusing(patch, "fdatasync")
        assert files.append(lines(1, "b"), POLICY.max_bytes).lines == 1
    with pytest.raises(OSError, match="Input/output"):
        files.sync()
    files.close()


def test_a_directory_that_cannot_be_made_is_a_fault_of_the_disk(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    appended = JournalFiles(tmp_path / "file" / "journal", POLICY).append(lines(1), POLICY.max_bytes)
    assert appended[:2] == (0, "disk")
    assert isinstance(appended.fault, NotADirectoryError)


def test_nothing_to_write_writes_nothing(tmp_path: Path) -> None:
    nothing: Sequence[bytes] = []
    files = JournalFiles(tmp_path, POLICY)
    assert files.append(nothing, POLICY.max_bytes) == (0, "", None)
    assert segments(tmp_path) == []
    files.close()
