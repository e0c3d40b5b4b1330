"""The journal: what the data plane did and was told, appended to files by a thread that no answer waits for."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from seatrial.domain.errors import JournalUnavailableError
from seatrial.domain.inference import MetricValue, PredictionRecord, TrueLabel
from seatrial.serving.journal_files import Appended, JournalFiles
from seatrial.serving.journal_format import JournalEntry, encode_line
from seatrial.serving.journal_reader import JournalReader
from seatrial.serving.metrics import MetricsSink

__all__ = ["Feedback", "Journal"]

logger = logging.getLogger(__name__)

Feedback = TrueLabel | MetricValue

_LINGER_S = 0.25
"""How long the first record of a batch waits for others; with the write that is well within one second."""
_TEND_EVERY_S = 60.0
_CLOSE_WITHIN_S = 10.0
_BATCH_ENTRIES = 1024
_MOST_WAITING = 65_536
"""Records and labels that may wait for the disk, some 20 MB; beyond it records are dropped."""
_MOST_FEEDBACK = 4096
"""Requests with feedback that may wait for the disk."""


@dataclass(frozen=True, slots=True, eq=False)
class _Told:
    """The feedback of one request, and who waits until it is durable."""

    entries: tuple[JournalEntry, ...]
    done: Future[None] = field(default_factory=Future)


class Journal:
    """Takes records at the cost of appending to a list, and feedback that is durable once it is acknowledged.

    `record` and `append` belong on one event loop. One thread encodes, writes and waits for the disk; all feedback
    that waits shares one fsync.

    Args:
        files: where to write.
        now_s: seconds since 1970.
    """

    def __init__(self, files: JournalFiles, now_s: Callable[[], float] = time.time) -> None:
        self.reader = JournalReader(files.directory)
        self._files = files
        self._now_s = now_s
        self._metrics: MetricsSink | None = None
        self._records: deque[tuple[float, PredictionRecord]] = deque()
        self._told: deque[_Told] = deque()
        # Two counters and no lock: each is changed by one thread.
        self._put = 0
        self._taken = 0
        self._wake = threading.Event()
        self._urgent = threading.Event()
        self._closing = False
        self._faults = {"records": "", "feedback": ""}
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)

    @contextlib.contextmanager
    def writing(self, metrics: MetricsSink) -> Iterator[None]:
        """Writes for the length of the block; at its end what still waits is written down.

        Args:
            metrics: told the size and what was dropped.
        """
        self._metrics = metrics
        self._thread.start()
        try:
            yield
        finally:
            self._closing = True
            self._urgent.set()
            self._wake.set()
            self._thread.join(_CLOSE_WITHIN_S)
            if self._thread.is_alive():
                logger.error("journal not closed: the disk does not answer", extra={"records": len(self._records)})

    def record(self, record: PredictionRecord) -> None:
        """Takes the facts of one request; drops them where the disk has fallen far behind."""
        weight = 1 + len(record.labels)
        if self._put - self._taken + weight > _MOST_WAITING:
            self._drop("backlog", 1)
            return
        self._put += weight
        self._records.append((self._now_s(), record))
        if not self._wake.is_set():
            self._wake.set()

    async def append(self, feedback: Sequence[Feedback], within_s: float) -> None:
        """Returns once the feedback is durable.

        Raises:
            JournalUnavailableError: it is not, or not within `within_s` seconds.
        """
        if self._closing or len(self._told) >= _MOST_FEEDBACK:
            raise JournalUnavailableError("Too much feedback waits for the disk: send it again in a few seconds.")
        now_s = self._now_s()
        told = _Told(tuple(_entry(now_s, fact) for fact in feedback))
        self._told.append(told)
        self._urgent.set()
        self._wake.set()
        try:
            async with asyncio.timeout(within_s):
                await asyncio.wrap_future(told.done)
        except TimeoutError:
            raise JournalUnavailableError(
                "The disk does not answer: send the feedback again in a few seconds."
            ) from None

    def _run(self) -> None:
        while not self._closing:
            if self._wake.wait(_TEND_EVERY_S):
                self._urgent.wait(_LINGER_S)
            self._wake.clear()  # before looking: what comes now wakes again
            self._urgent.clear()
            self._flush()
        self._flush()
        self._files.close()

    def _flush(self) -> None:
        """Writes what waits, or finds what to tidy up where nothing does."""
        if not self._records and not self._told:
            try:
                self._files.tend()
            except OSError as error:
                self._note_fault("records", str(error))
        while self._records or self._told:
            told = [self._told.popleft() for _ in range(min(len(self._told), _BATCH_ENTRIES))]
            told = [one for one in told if one.done.set_running_or_notify_cancel()]
            records = [self._records.popleft() for _ in range(min(len(self._records), _BATCH_ENTRIES))]
            try:
                self._write(records, told)
            except Exception as error:  # the thread outlives any fault, and nobody waits for ever
                logger.exception("journal write failed")
                self._drop("disk", len(records))
                _refuse([one for one in told if not one.done.done()], str(error))
            self._taken += sum(1 + len(record.labels) for _, record in records)
            if self._metrics:
                self._metrics.journal_bytes.set(self._files.size_bytes)

    def _write(self, records: Sequence[tuple[float, PredictionRecord]], told: Sequence[_Told]) -> None:
        """One batch: records first, then feedback, then one wait for the disk, then the acknowledgements."""
        written, lost = self._write_records(records)
        lines = [encode_line(entry) for one in told for entry in one.entries]
        appended = self._files.append(lines, self._files.policy.max_bytes)
        room, durable, refused = appended.lines, list[_Told](), ""
        for one in told:
            room -= len(one.entries)
            if room >= 0:
                durable.append(one)
            else:
                refused = _words(appended)
                _refuse([one], refused)
        try:
            self._files.sync()
        except OSError as error:
            lost = refused = str(error)
            self._drop("disk", written)
            _refuse(durable, refused)
        else:
            for one in durable:
                one.done.set_result(None)
        if records:
            self._note_fault("records", lost)
        if told:
            self._note_fault("feedback", refused)

    def _write_records(self, records: Sequence[tuple[float, PredictionRecord]]) -> tuple[int, str]:
        """How many records are in the file now, and why the others are not."""
        lines = []
        for at_s, record in records:
            try:
                lines.append(encode_line(JournalEntry(at_s, prediction=record)))
            except (TypeError, ValueError):  # half a surrogate pair, say: it must not take the others with it
                logger.exception("record cannot be written down", extra={"request_id": record.request_id[:128]})
        self._drop("unwritable", len(records) - len(lines))
        appended = self._files.append(lines, self._files.policy.record_bytes)
        self._drop(appended.reason, len(lines) - appended.lines)
        return appended.lines, _words(appended)

    def _drop(self, reason: str, entries: int) -> None:
        if entries and self._metrics:
            self._metrics.journal_dropped(reason, entries)

    def _note_fault(self, kind: str, fault: str) -> None:
        """Logs a fault once when it begins and once when it is over."""
        if fault and not self._faults[kind]:
            logger.warning("journal takes nothing", extra={"of": kind, "reason": fault})
        elif self._faults[kind] and not fault:
            logger.info("journal takes it again", extra={"of": kind})
        self._faults[kind] = fault


def _entry(now_s: float, fact: Feedback) -> JournalEntry:
    if isinstance(fact, TrueLabel):
        return JournalEntry(now_s, true_label=fact)
    return JournalEntry(now_s, metric_value=fact)


def _words(appended: Appended) -> str:
    """Why not every line was written; empty where each was."""
    return str(appended.fault or "the journal has reached serving.journal_max_bytes") if appended.reason else ""


def _refuse(told: Sequence[_Told], why: str) -> None:
    for one in told:
        one.done.set_exception(
            JournalUnavailableError(f"Feedback cannot be kept now ({why}): send it again when there is room.")
        )
