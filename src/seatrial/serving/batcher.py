"""The queue in front of the engines: one owner on the event loop, a few worker threads, no timer."""

from __future__ import annotations

import asyncio
import functools
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from seatrial.domain.errors import DeadlineExceededError, InferenceError, NotReadyError, OverloadedError
from seatrial.domain.inference import TokenBatch
from seatrial.serving.batching import Batch, BatchPolicy, DrainRate, Line, Queued, Slice, next_batch, padding_ratio
from seatrial.serving.workers import Workers

__all__ = ["BatchFacts", "Batcher", "Scored", "Scorer"]

logger = logging.getLogger(__name__)


class Scorer(Protocol):
    """What answers a batch: a variant of the data plane."""

    def score(self, tokens: TokenBatch) -> Sequence[Any]:
        """One result for each text, in order; called from worker threads, may raise anything."""
        ...


@dataclass(frozen=True, slots=True)
class BatchFacts:
    """What a batch was like, for the metrics."""

    texts: int
    tokens: int
    padding_ratio: float


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """What a caller gets.

    Attributes:
        results: what the scorer returned for each text, in the order of the caller's texts.
        queue_s: longest wait of its texts for an engine.
        inference_s: time its texts spent inside engines.
    """

    results: Sequence[Any]
    queue_s: float
    inference_s: float


@dataclass(slots=True, eq=False, kw_only=True)
class _Caller(Queued):
    """A place in the line together with what it holds and what it was given so far."""

    tokens: TokenBatch
    arrived_s: float
    answer: asyncio.Future[Scored]
    results: list[Any] = field(default_factory=list)
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
        observe: told about each batch when it goes to an engine, on the event loop.
    """

    def __init__(self, policy: BatchPolicy, max_queue_texts: int, observe: Callable[[BatchFacts], None]) -> None:
        self._policy = policy
        self._max_queue_texts = max_queue_texts
        self._observe = observe
        self._line: Line[_Caller] = Line()
        self._admitted_texts = 0  # promised a place: being tokenised, or waiting in the line
        self._free = policy.workers
        self._rate = DrainRate()
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._owner: asyncio.Task[None] | None = None
        self._workers = Workers(policy.workers, "engine")

    def start(self) -> None:
        """Begins to hand out batches; needs a running event loop."""
        self._owner = asyncio.get_running_loop().create_task(self._own(), name="batcher")

    async def stop(self) -> None:
        """Turns away whoever waits, lets running batches end, and stops. Stopping twice is allowed."""
        owner, self._owner = self._owner, None
        if owner is None:
            return
        owner.cancel()
        self._turn_away(_stopped())
        while self._free < self._policy.workers:
            self._idle.clear()
            await self._idle.wait()
        self._workers.stop()

    def admit(self, texts: int) -> None:
        """Promises a place to `texts` texts, before any work is done for them; `score` or `release` must follow.

        Raises:
            OverloadedError: too many texts wait already.
            NotReadyError: the batcher does not run.
        """
        if self._owner is None:
            raise _stopped()
        if self._admitted_texts + texts > self._max_queue_texts:
            raise OverloadedError(
                f"{self._admitted_texts} texts wait already, {texts} more would be over the limit of "
                f"{self._max_queue_texts}: retry after the time in the Retry-After header.",
                self._rate.retry_after_s(self._admitted_texts, self._policy.workers),
            )
        self._admitted_texts += texts

    def release(self, texts: int) -> None:
        """Gives back a promised place that will not be used."""
        self._admitted_texts -= texts

    async def score(self, scorer: Scorer, tokens: TokenBatch, deadline_s: float) -> Scored:
        """Results of texts that were admitted.

        Args:
            deadline_s: moment on the clock of `time.monotonic` from which on no engine may take a text.

        Raises:
            DeadlineExceededError: the deadline came before engines had taken all texts.
            InferenceError: an engine failed on a batch with a text of this caller.
            NotReadyError: the batcher was stopped.
        """
        if self._owner is None:  # stopped since the texts were admitted
            self.release(len(tokens))
            raise _stopped()
        loop = asyncio.get_running_loop()
        now_s = time.monotonic()
        caller = _Caller(
            variant=scorer, texts=len(tokens), deadline_s=deadline_s,
            tokens=tokens, arrived_s=now_s, answer=loop.create_future(), results=[None] * len(tokens),
        )  # fmt: skip
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
                while self._free and (batch := next_batch(self._line, time.monotonic(), self._policy)):
                    self._begin(batch)
            except Exception:  # the outermost loop: a fault here must not leave callers waiting for ever
                logger.exception("batcher failed")
                self._turn_away(InferenceError("The server failed to form a batch: see its log."))

    def _begin(self, batch: Batch[_Caller]) -> None:
        now_s = time.monotonic()
        self._line.take(batch)
        self._admitted_texts -= batch.texts
        self._free -= 1
        for part in batch.slices:
            part.caller.queue_s = now_s - part.caller.arrived_s
        tokens = _tokens(batch)
        scorer: Scorer = batch.slices[0].caller.variant
        self._workers.run(functools.partial(_score, scorer, tokens), functools.partial(self._finish, batch))
        self._observe(BatchFacts(len(tokens), tokens.tokens, padding_ratio(tokens.lengths)))

    def _finish(self, batch: Batch[_Caller], outcome: tuple[Sequence[Any], float] | Exception) -> None:
        self._free += 1
        self._wake.set()
        self._idle.set()
        if not isinstance(outcome, Exception) and len(outcome[0]) != batch.texts:
            outcome = InferenceError(f"The engine answered {len(outcome[0])} rows for {batch.texts} texts.")
        if isinstance(outcome, Exception):
            logger.error("engine failed", extra={"texts": batch.texts}, exc_info=outcome)
            reason = str(outcome) if isinstance(outcome, InferenceError) else "The engine failed: see the server's log."
            for part in batch.slices:
                self._fail(part.caller, InferenceError(reason))
            return
        results, busy_s = outcome
        self._rate = self._rate.after(batch.texts, busy_s)
        start = 0
        for part in batch.slices:
            stop = start + part.stop - part.start
            _deliver(part, results[start:stop], busy_s)
            start = stop

    def _expire(self, caller: _Caller) -> None:
        if caller.remaining:
            waited_s = time.monotonic() - caller.arrived_s
            self._fail(
                caller,
                DeadlineExceededError(
                    f"No engine was free within the request's time ({waited_s:.1f} s in the queue): retry, or send "
                    "fewer texts at once."
                ),
            )

    def _turn_away(self, error: Exception) -> None:
        for caller in list(self._line):
            self._fail(caller, type(error)(str(error)))

    def _fail(self, caller: _Caller, error: Exception) -> None:
        self._leave(caller)
        if not caller.answer.done():
            caller.answer.set_exception(error)
            caller.answer.exception()  # counts as seen, should the caller be cancelled in this very moment

    def _leave(self, caller: _Caller) -> None:
        self._admitted_texts -= self._line.leave(caller)


def _stopped() -> NotReadyError:
    return NotReadyError("The server is shutting down: send the request to another one.")


def _score(scorer: Scorer, tokens: TokenBatch) -> tuple[Sequence[Any], float]:
    """Runs in a worker thread: the results, and the seconds they took."""
    started_s = time.perf_counter()
    return scorer.score(tokens), time.perf_counter() - started_s


def _tokens(batch: Batch[_Caller]) -> TokenBatch:
    """The token ids of the batch's texts; most batches of a quiet server are one whole request."""
    chosen = [
        part.caller.tokens
        if part.stop - part.start == part.caller.texts
        else part.caller.tokens.take(np.arange(part.start, part.stop))
        for part in batch.slices
    ]
    return chosen[0] if len(chosen) == 1 else TokenBatch.concatenate(chosen)


def _deliver(part: Slice[_Caller], results: Sequence[Any], busy_s: float) -> None:
    """Gives a caller its results; the last ones complete its answer. Batches may end in any order."""
    caller = part.caller
    caller.results[part.start : part.stop] = results
    caller.answered += len(results)
    caller.inference_s += busy_s
    if caller.answered == caller.texts and not caller.answer.done():
        caller.answer.set_result(Scored(caller.results, caller.queue_s, caller.inference_s))
