"""A batcher over the fake engine, and how tests ask it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Callable

import numpy as np

from seatrial.domain.inference import TokenBatch
from seatrial.domain.model import Layout
from seatrial.engines.fake_engine import FakeEngine
from seatrial.serving.batcher import Batcher
from seatrial.serving.batching import BatchPolicy
from seatrial.serving.payload import BatchFacts, Scored
from seatrial.text.layout import lay_out

__all__ = [
    "FakeScorer",
    "Gate",
    "ask",
    "expected",
    "results",
    "running",
    "running_by",
    "settled",
    "texts",
]


class FakeScorer:
    """A variant over the fake engine, whose first call can be held up."""

    pads = True

    def __init__(self, script: Callable[[int], float] = lambda _call: 0.0) -> None:
        self.engine = FakeEngine(script=script)
        self.all_cores: list[bool] = []

    def score(self, payload: TokenBatch, *, all_cores: bool = False) -> list[list[float]]:
        self.all_cores.append(all_cores)
        logits: list[list[float]] = self.engine.infer(lay_out(payload, Layout.PADDED)).logits.tolist()
        return logits


class Gate:
    """A script that holds the engine at its first call until it is opened."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.entered = asyncio.Event()
        self._opened = threading.Event()

    def __call__(self, call: int) -> float:
        if call == 0:
            self._loop.call_soon_threadsafe(self.entered.set)
            assert self._opened.wait(30)
        return 0.0

    def open(self) -> None:
        self._opened.set()


def running(
    max_texts: int = 8, workers: int = 1, max_queue_texts: int = 10_000, facts: list[BatchFacts] | None = None
) -> contextlib.AbstractAsyncContextManager[Batcher]:
    return running_by(BatchPolicy(max_texts, workers), max_queue_texts, facts)


@contextlib.asynccontextmanager
async def running_by(
    policy: BatchPolicy, max_queue_texts: int = 10_000, facts: list[BatchFacts] | None = None
) -> AsyncIterator[Batcher]:
    seen: list[BatchFacts] = [] if facts is None else facts
    batcher = Batcher(policy, max_queue_texts, seen.append)
    batcher.start()
    try:
        yield batcher
    finally:
        await batcher.stop()


def texts(*lengths: int, seed: int = 0) -> TokenBatch:
    rng = np.random.default_rng(seed)
    return TokenBatch.from_rows([rng.integers(5, 60, length).tolist() for length in lengths])


def expected(tokens: TokenBatch) -> list[list[float]]:
    return FakeScorer().score(tokens)


async def ask(
    batcher: Batcher, scorer: FakeScorer, tokens: TokenBatch, within_s: float = 30.0, priority: int = 0
) -> Scored:
    batcher.admit(len(tokens), priority)
    return await batcher.score(scorer, tokens, time.monotonic() + within_s, priority)


def results(scored: Scored) -> list[list[float]]:
    """The rows of all parts."""
    return [row for part in scored.parts for row in part]


async def settled() -> None:
    """Lets everything that is ready on the loop happen."""
    for _ in range(10):
        await asyncio.sleep(0)
