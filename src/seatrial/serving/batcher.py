"""The queue in front of the engines: one owner on the event loop, a few worker threads, no timer that gathers."""

from __future__ import annotations

import asyncio
import functools
import logging
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from seatrial.domain.errors import DeadlineExceededError, InferenceError, NotReadyError, OverloadedError
from seatrial.serving.batching import (
    Batch,
    BatchPolicy,
    DrainRate,
    Line,
    Queued,
    Slice,
    deserves_all_cores,
    next_batch,
    padding_ratio,
)
from seatrial.serving.payload import BatchFacts, Payload, Rows, Scored, Scorer
from seatrial.serving.workers import Workers

__all__ = ["Batcher"]

logger = logging.getLogger(__name__)

_ALWAYS_TEXTS = 64
"""So many texts may wait whatever the drain rate says."""


@dataclass(frozen=True, slots=True, eq=False)
class _Done:
    """What a worker made of a batch."""

    results: Rows
    busy_s: float


@dataclass(slots=True, eq=False, kw_only=True)
class _Caller(Queued):
    """A place in the line together with what it holds and what it was given so far."""

    payload: Payload
    arrived_s: float
    answer: asyncio.Future[Scored]
    parts: list[tuple[int, Rows]] = field(default_factory=list)
    answered: int = 0
    queue_s: float = 0.0
    inference_s: float = 0.0


class Batcher:
    """Gathers texts of concurrent requests into batches.

    All state is touched on the event loop only: one task owns the line and hands a batch to a worker whenever one is
    free. A request's texts may be spread over several batches. A failed batch fails its own callers and nobody else;
    a caller that is cancelled leaves the line, and what an engine already computes for it is dropped.

    Args:
        policy: how batches are cut, and how many workers there are.
        max_queue_texts: how many texts may wait.
        observe: told about each batch that an engine answered, on the event loop.
        max_queue_s: how long those that wait may need, by the rate at which texts were lately answered, when one more
            request is taken in. A few texts may wait however slow that was: one slow batch is no overload.
    """

    def __init__(
        self,
        policy: BatchPolicy,
        max_queue_texts: int,
        observe: Callable[[BatchFacts], None],
        max_queue_s: float = math.inf,
    ) -> None:
        self._policy = policy
        self._max_queue_texts = max_queue_texts
        self._max_queue_s = max_queue_s
        self._observe = observe
        self._line: Line[_Caller] = Line()
        # Promised a place (being tokenised, or waiting in the line): requests, and what has a lower priority.
        self._admitted_texts = [0, 0]
        self._running: set[Batch[_Caller]] = set()
        self._running_texts = 0
        self._company = False  # somebody came while the batch that began last was computed
        self._rate = DrainRate()
        self._wake = asyncio.Event()
        self._batch_ended = asyncio.Event()
        self._owner: asyncio.Task[None] | None = None
        self._open = False
        self._workers = Workers(policy.workers, "engine")

    def start(self) -> None:
        """Begins to hand out batches; needs a running event loop."""
        self._owner = asyncio.get_running_loop().create_task(self._own(), name="batcher")
        self._open = True

    async def stop(self, within_s: float = 5.0) -> None:
        """Takes nobody in any more, serves whoever is in the line, and stops. Stopping twice is allowed.

        Args:
            within_s: how long that may take; callers that are not served by then are turned away.
        """
        self._open = False
        owner, self._owner = self._owner, None
        if owner is None:
            return
        try:
            async with asyncio.timeout(within_s):
                while self._running or self._line.texts:
                    self._batch_ended.clear()
                    await self._batch_ended.wait()
        except TimeoutError:
            logger.error("engine hangs", extra={"batches": len(self._running)})  # noqa: TRY400  the trace says nothing
            self._turn_away(self._line, _stopped)
            for batch in self._running:
                self._turn_away([part.caller for part in batch.slices], _stopped)
        owner.cancel()
        self._workers.stop()

    def admit(self, texts: int, priority: int = 0) -> None:
        """Promises a place to `texts` texts, before any work is done for them; `score` or `release` must follow.

        Raises:
            OverloadedError: too many texts wait already; what has a lower priority never takes a request's place.
            NotReadyError: the batcher does not run.
        """
        if not self._open:
            raise _stopped()
        waiting = self._admitted_texts[0] + (self._admitted_texts[1] if priority else 0)
        wait_s = self._rate.wait_s(waiting, self._policy.workers)
        if waiting + texts > self._max_queue_texts or (waiting > _ALWAYS_TEXTS and wait_s > self._max_queue_s):
            raise OverloadedError(
                f"{waiting} texts wait already, some {wait_s:.1f} s of work: retry after the time in the Retry-After "
                "header.",
                self._rate.retry_after_s(waiting, self._policy.workers),
            )
        self._admitted_texts[priority > 0] += texts

    def release(self, texts: int, priority: int = 0) -> None:
        """Gives back a promised place that will not be used."""
        self._admitted_texts[priority > 0] -= texts

    async def score(self, scorer: Scorer, payload: Payload, deadline_s: float, priority: int = 0) -> Scored:
        """Results of texts that were admitted with this priority.

        Args:
            deadline_s: moment on the clock of `time.monotonic` from which on no engine may take a text.
            priority: 0 for requests; a larger one waits until nobody with a smaller one does.

        Raises:
            DeadlineExceededError: the deadline came before engines had taken all texts.
            InferenceError: an engine failed on a batch with a text of this caller.
            NotReadyError: the batcher was stopped.
        """
        if not self._open:  # stopped since the texts were admitted
            self.release(len(payload), priority)
            raise _stopped()
        loop = asyncio.get_running_loop()
        now_s = time.monotonic()
        caller = _Caller(
            variant=scorer, texts=len(payload), deadline_s=deadline_s, offsets=payload.offsets.tolist(),
            priority=priority, payload=payload, arrived_s=now_s, answer=loop.create_future(),
        )  # fmt: skip
        self._company = self._company or bool(self._running)
        self._line.add(caller)
        self._wake.set()
        timer = loop.call_later(deadline_s - now_s, self._expire, caller)
        try:
            return await caller.answer
        finally:
            timer.cancel()
            self._leave(caller)

    async def _own(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                while len(self._running) < self._policy.workers:
                    batch = next_batch(self._line, time.monotonic(), self._policy, self._running_texts)
                    if batch is None or (self._running and batch.slices[0].caller.priority):
                        break  # what can wait leaves a worker free for who cannot
                    self._begin(batch)
            except Exception:  # the outermost loop: a fault here must not leave callers waiting for ever
                logger.exception("batcher failed")
                self._turn_away(self._line, lambda: InferenceError("The server could not form a batch: see its log."))

    def _begin(self, batch: Batch[_Caller]) -> None:
        now_s = time.monotonic()
        self._line.take(batch)
        others = self._line.texts
        all_cores = deserves_all_cores(batch, others, len(self._running), company=self._company)
        self._company = bool(others or self._running)
        self._running.add(batch)
        self._running_texts += batch.texts
        for part in batch.slices:
            self._admitted_texts[part.caller.priority > 0] -= part.stop - part.start
            part.caller.queue_s = now_s - part.caller.arrived_s
        self._workers.run(functools.partial(_score, batch, all_cores), functools.partial(self._end, batch))

    def _end(self, batch: Batch[_Caller], outcome: _Done | Exception) -> None:
        self._running.discard(batch)
        self._running_texts -= batch.texts
        self._batch_ended.set()
        self._wake.set()
        if isinstance(outcome, Exception):
            logger.error("engine failed", extra={"texts": batch.texts}, exc_info=outcome)
            reason = str(outcome) if isinstance(outcome, InferenceError) else "The engine failed: see the server's log."
            self._turn_away([part.caller for part in batch.slices], lambda: InferenceError(reason))
            return
        self._rate = self._rate.after(batch.texts, outcome.busy_s)
        start = 0
        for part in batch.slices:
            stop = start + part.stop - part.start
            _deliver(part, outcome.results[start:stop], outcome.busy_s)
            start = stop
        self._observe(_facts(batch))

    def _expire(self, caller: _Caller) -> None:
        if caller.remaining:
            waited_s = time.monotonic() - caller.arrived_s
            sentence = (
                f"No engine was free within the request's time ({waited_s:.1f} s in the queue): retry, or send fewer "
                "texts at once."
            )
            self._turn_away([caller], lambda: DeadlineExceededError(sentence))

    def _turn_away(self, callers: Iterable[_Caller], make_error: Callable[[], Exception]) -> None:
        """Fails callers, each with an error of its own: a shared one would gather the traces of all who raise it."""
        for caller in list(callers):
            self._leave(caller)
            if not caller.answer.done():
                caller.answer.set_exception(make_error())
                caller.answer.exception()  # counts as seen, should the caller be cancelled in this very moment

    def _leave(self, caller: _Caller) -> None:
        self._admitted_texts[caller.priority > 0] -= self._line.leave(caller)
        self._batch_ended.set()


def _stopped() -> NotReadyError:
    return NotReadyError("The server is shutting down: send the request to another one.")


def _score(batch: Batch[_Caller], all_cores: bool) -> _Done:
    """Runs in a worker thread."""
    payload = _payload(batch)
    scorer: Scorer = batch.slices[0].caller.variant
    started_s = time.perf_counter()
    results = scorer.score(payload, all_cores=all_cores)
    busy_s = time.perf_counter() - started_s
    if len(results) != batch.texts:
        raise InferenceError(f"The engine answered {len(results)} rows for {batch.texts} texts.")
    return _Done(results, busy_s)


def _payload(batch: Batch[_Caller]) -> Payload:
    """The batch's texts; most batches of a quiet server are one whole request."""
    chosen = [
        part.caller.payload
        if part.stop - part.start == part.caller.texts
        else part.caller.payload.slice(part.start, part.stop)
        for part in batch.slices
    ]
    return chosen[0] if len(chosen) == 1 else type(chosen[0]).concatenate(chosen)


def _facts(batch: Batch[_Caller]) -> BatchFacts:
    lengths = batch.lengths
    scorer: Scorer = batch.slices[0].caller.variant
    return BatchFacts(len(lengths), sum(lengths), padding_ratio(lengths) if scorer.pads else 0.0)


def _deliver(part: Slice[_Caller], results: Rows, busy_s: float) -> None:
    """Gives a caller its results; the last ones complete its answer. Batches may end in any order."""
    caller = part.caller
    caller.parts.append((part.start, results))
    caller.answered += part.stop - part.start
    caller.inference_s += busy_s
    if caller.answered == caller.texts and not caller.answer.done():
        caller.parts.sort(key=_start)
        caller.answer.set_result(Scored([results for _, results in caller.parts], caller.queue_s, caller.inference_s))


def _start(part: tuple[int, Rows]) -> int:
    return part[0]
