"""The journal's thread: what is written when, what is dropped, what is acknowledged."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from seatrial.domain.errors import JournalUnavailableError
from seatrial.domain.inference import MetricValue, TrueLabel
from seatrial.serving import journal as journal_module
from seatrial.serving.journal import Journal
from seatrial.serving.journal_files import Appended, JournalFiles, JournalPolicy
from seatrial.serving.metrics import MetricsSink
from tests.data_plane import eventually
from tests.journals import POLICY, all_entries, ids, record, segment_files
from tests.limits import file_size_limit

RIGHT = TrueLabel("r", 0, "positive")
PAID = MetricValue("paid", 9.5, "user-1")


class SlowFiles(JournalFiles):
    """A disk that takes nothing until it is let go."""

    def __init__(self, directory: Path, policy: JournalPolicy = POLICY) -> None:
        super().__init__(directory, policy)
        self.entered = threading.Event()
        self.let_go = threading.Event()

    def append(self, lines: Sequence[bytes], limit_bytes: int) -> Appended:
        self.entered.set()
        assert self.let_go.wait(60)
        return super().append(lines, limit_bytes)


def dropped(metrics: MetricsSink, reason: str) -> float:
    return metrics._registry.get_sample_value("journal_dropped_total", {"reason": reason}) or 0.0


def run(journal: Journal, scenario: Callable[[], Coroutine[Any, Any, None]]) -> MetricsSink:
    """Runs the scenario while the journal is written; the metrics it left."""
    metrics = MetricsSink()
    with journal.writing(metrics):
        asyncio.run(scenario())
    return metrics


def test_at_the_end_everything_that_was_taken_is_written(tmp_path: Path) -> None:
    journal = Journal(JournalFiles(tmp_path, POLICY), lambda: 7.5)
    metrics = MetricsSink()
    with journal.writing(metrics):
        for i in range(3000):
            journal.record(record(f"r{i}"))
    entries = all_entries(tmp_path)
    assert ids(entries) == [f"r{i}" for i in range(3000)]
    assert {entry.at_s for entry in entries} == {7.5}
    size = metrics._registry.get_sample_value("journal_bytes")
    assert size == sum(path.stat().st_size for path in segment_files(tmp_path))


def test_records_are_written_without_anybody_asking(tmp_path: Path) -> None:
    journal = Journal(JournalFiles(tmp_path, POLICY))
    with journal.writing(MetricsSink()):
        journal.record(record("first"))
        eventually(lambda: ids(journal.reader.read().entries) == ["first"])
        journal.record(record("second"))
        eventually(lambda: ids(journal.reader.read().entries) == ["first", "second"])


def test_feedback_is_on_the_disk_once_it_is_acknowledged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(JournalFiles(tmp_path, replace(POLICY, fsync=True)))
    synced: list[int] = []
    fdatasync = os.fdatasync

    def watched(file: int) -> None:
        fdatasync(file)
        synced.append(os.fstat(file).st_size)

    monkeypatch.setattr(os, "fdatasync", watched)

    async def scenario() -> None:
        for count in range(1, 4):
            await journal.append([RIGHT, PAID], 30)
            (segment,) = segment_files(tmp_path)
            assert synced[-1] == segment.stat().st_size
            assert len(all_entries(tmp_path)) == 2 * count

    run(journal, scenario)
    first, second = all_entries(tmp_path)[:2]
    assert (first.true_label, second.metric_value) == (RIGHT, PAID)


def test_waiting_feedback_shares_one_wait_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = SlowFiles(tmp_path, replace(POLICY, fsync=True))
    journal = Journal(files)
    syncs: list[int] = []
    monkeypatch.setattr(os, "fdatasync", syncs.append)

    async def scenario() -> None:
        first = asyncio.create_task(journal.append([RIGHT], 30))
        await asyncio.to_thread(files.entered.wait)
        others = [asyncio.create_task(journal.append([PAID], 30)) for _ in range(100)]
        await asyncio.sleep(0)
        files.let_go.set()
        await asyncio.gather(first, *others)

    run(journal, scenario)
    assert len(syncs) == 2
    assert len(all_entries(tmp_path)) == 101


def test_a_slow_disk_costs_records_and_not_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "_MOST_WAITING", 20)
    files = SlowFiles(tmp_path)
    journal = Journal(files)
    metrics = MetricsSink()
    with journal.writing(metrics):
        journal.record(record("first"))
        assert files.entered.wait(30)
        for i in range(100):  # nobody lets the disk go: any waiting would wait for ever
            journal.record(record(f"r{i}"))
        assert dropped(metrics, "backlog") == 100 - 9  # of ten places of a record with one label, one is taken
        files.let_go.set()
    assert ids(all_entries(tmp_path)) == ["first", *(f"r{i}" for i in range(9))]


def test_a_record_with_many_labels_takes_many_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "_MOST_WAITING", 20)
    journal = Journal(JournalFiles(tmp_path, POLICY))
    metrics = MetricsSink()
    with journal.writing(metrics):
        journal.record(record("large", texts=30))
        journal.record(record("small"))
    assert ids(all_entries(tmp_path)) == ["small"]
    assert dropped(metrics, "backlog") == 1


def test_feedback_that_a_slow_disk_keeps_waiting_is_refused_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "_MOST_FEEDBACK", 1)
    files = SlowFiles(tmp_path)
    journal = Journal(files)

    async def scenario() -> None:
        taken = asyncio.create_task(journal.append([RIGHT], 30))
        await asyncio.to_thread(files.entered.wait)
        with pytest.raises(JournalUnavailableError, match="does not answer"):
            await journal.append([PAID], 0.01)
        with pytest.raises(JournalUnavailableError, match="Too much"):
            await journal.append([PAID], 30)
        files.let_go.set()
        await taken

    run(journal, scenario)
    entries = all_entries(tmp_path)
    assert [entry.true_label for entry in entries] == [RIGHT], "what was given up before it was taken is not written"


def test_at_the_limit_records_are_dropped_and_feedback_is_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    journal = Journal(JournalFiles(tmp_path, POLICY))

    async def scenario() -> None:
        for i in range(5000):  # over a megabyte
            journal.record(record(f"r{i}"))
        await journal.append([RIGHT], 30)  # has the last sixteenth for itself
        with pytest.raises(JournalUnavailableError, match="journal_max_bytes"):
            await journal.append([PAID] * 1000, 30)

    with caplog.at_level(logging.WARNING):
        metrics = run(journal, scenario)
    entries = all_entries(tmp_path)
    written = len(ids(entries))
    assert 0 < written < 5000
    assert dropped(metrics, "limit") == 5000 - written
    assert [entry.true_label for entry in entries if entry.true_label] == [RIGHT]
    assert sum(path.stat().st_size for path in segment_files(tmp_path)) <= POLICY.max_bytes
    logged = [(log.message, log.__dict__["of"]) for log in caplog.records]
    assert logged == [("journal takes nothing", "records"), ("journal takes nothing", "feedback")]


def test_a_full_disk_drops_and_refuses_until_there_is_room(tmp_path: Path) -> None:
    journal = Journal(JournalFiles(tmp_path, POLICY))

    async def scenario() -> None:
        await journal.append([RIGHT], 30)
        with file_size_limit(10):
            for _ in range(3):
                journal.record(record("lost"))
                with pytest.raises(JournalUnavailableError, match="File too large"):
                    await journal.append([PAID], 30)
        journal.record(record("kept"))
        await journal.append([PAID], 30)

    metrics = run(journal, scenario)
    assert dropped(metrics, "disk") == 3
    entries = all_entries(tmp_path)
    assert ids(entries) == ["kept"]
    assert [entry.metric_value for entry in entries if entry.metric_value] == [PAID]


def test_feedback_is_not_acknowledged_when_the_disk_fails_to_keep_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(JournalFiles(tmp_path, replace(POLICY, fsync=True)))

    def refuse(_file: int) -> None:
        raise OSError(5, "Input/output error")

    async def scenario() -> None:
        with monkeypatch.context() as patch:
            patch.setattr(os, "fdatasync", refuse)
            journal.record(record())
            with pytest.raises(JournalUnavailableError, match="Input/output"):
                await journal.append([RIGHT], 30)
        await journal.append([RIGHT], 30)

    assert dropped(run(journal, scenario), "disk") == 1


def test_a_record_that_cannot_be_written_takes_no_other_with_it(tmp_path: Path) -> None:
    journal = Journal(JournalFiles(tmp_path, POLICY))
    metrics = MetricsSink()
    with journal.writing(metrics):
        for request_id in ("a", "half a pair: \ud83d", "b"):
            journal.record(record(request_id))
    assert ids(all_entries(tmp_path)) == ["a", "b"]
    assert dropped(metrics, "unwritable") == 1


def test_the_thread_outlives_what_nobody_foresaw(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Broken(JournalFiles):
        broken = True

        def append(self, lines: Sequence[bytes], limit_bytes: int) -> Appended:
            if self.broken:
                raise ZeroDivisionError("unforeseen")
            return super().append(lines, limit_bytes)

    files = Broken(tmp_path, POLICY)
    journal = Journal(files)

    async def scenario() -> None:
        with pytest.raises(JournalUnavailableError, match="unforeseen"):
            await journal.append([RIGHT], 30)
        files.broken = False
        await journal.append([PAID], 30)

    run(journal, scenario)
    assert "journal write failed" in caplog.text
    assert len(all_entries(tmp_path)) == 1


def test_who_gives_up_is_not_written_and_harms_nobody(tmp_path: Path) -> None:
    files = SlowFiles(tmp_path)
    journal = Journal(files)

    async def scenario() -> None:
        first = asyncio.create_task(journal.append([RIGHT], 30))
        await asyncio.to_thread(files.entered.wait)
        leaving = asyncio.create_task(journal.append([PAID], 30))
        staying = asyncio.create_task(journal.append([RIGHT], 30))
        await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        files.let_go.set()
        await asyncio.gather(first, staying)

    run(journal, scenario)
    assert [entry.true_label for entry in all_entries(tmp_path)] == [RIGHT, RIGHT]


def test_after_its_end_nothing_is_acknowledged(tmp_path: Path) -> None:
    journal = Journal(JournalFiles(tmp_path, POLICY))
    with journal.writing(MetricsSink()):
        pass
    with pytest.raises(JournalUnavailableError):
        asyncio.run(journal.append([RIGHT], 30))
