"""Journals for tests: entries, files written at a chosen time, and everything a reader finds."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

from seatrial.domain.inference import Outcome, PredictionRecord
from seatrial.serving.journal_files import JournalFiles, JournalPolicy
from seatrial.serving.journal_format import JournalEntry, encode_line, segment_path, segments
from seatrial.serving.journal_reader import JournalReader

__all__ = ["POLICY", "Clock", "all_entries", "ids", "line", "lines", "record", "segment_files", "written"]

POLICY = JournalPolicy(max_bytes=2**20, keep_s=100.0, forget_s=10_000.0, fsync=False)


class Clock:
    """Shows the time that a test sets."""

    def __init__(self, now_s: float = 1_700_000_000.0) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s


def record(request_id: str = "r", texts: int = 1) -> PredictionRecord:
    return PredictionRecord(
        request_id, "tiny", "1", Outcome.SUCCESS, 0.02, "user-1", texts, 7 * texts, 0.004, 0.01,
        ("positive",) * texts, (0.9,) * texts,
    )  # fmt: skip


def line(request_id: str) -> bytes:
    return encode_line(JournalEntry(1.0, prediction=record(request_id)))


def lines(count: int, prefix: str = "r") -> list[bytes]:
    return [line(f"{prefix}{i}") for i in range(count)]


def all_entries(directory: Path, limit: int = 1000) -> list[JournalEntry]:
    """Everything, page by page; checks that places only grow, as text too."""
    after, found = "", list[JournalEntry]()
    for _ in itertools.repeat(None, 10_000):
        page = JournalReader(directory).read(after, limit)
        assert page.next >= after
        assert len(page.entries) <= limit
        if page.next == after:
            return found
        found += page.entries
        after = page.next
    raise AssertionError("the reader does not come to an end")


def ids(entries: Sequence[JournalEntry]) -> list[str]:
    return [entry.prediction.request_id for entry in entries if entry.prediction]


def segment_files(directory: Path) -> list[Path]:
    return [segment_path(directory, number) for number in segments(directory)]


def written(directory: Path, *batches: Sequence[bytes], clock: Clock | None = None) -> JournalFiles:
    """Files after these batches, each of which must find room."""
    files = JournalFiles(directory, POLICY, clock or Clock())
    for batch in batches:
        assert files.append(batch, POLICY.max_bytes).lines == len(batch)
    files.sync()
    return files
