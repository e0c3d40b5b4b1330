"""More texts than fit into one request, or into memory: some batches under way at once, answers in order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Generator,
    Iterable,
    Iterator,
    Sequence,
)
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from seatrial.domain.errors import InvalidRequestError, PayloadTooLargeError, RequestError, UsageError

__all__ = ["abatches", "batches", "check_sizes", "in_order", "in_order_by_threads", "is_about_texts", "total_of"]

WorkT = TypeVar("WorkT")
DoneT = TypeVar("DoneT")

_AHEAD = 2
"""Batches begun, or done and waiting for an older one, by each that runs: a slow one in front stops nobody at once."""
_MOST_CHARS = 1_000_000
"""A batch is full at so many characters, too: long texts would fill memory, and no server takes them at once."""


def batches(texts: Iterable[str], batch_texts: int) -> Iterator[list[str]]:
    """The texts in order, in lists that one request can carry.

    Example:
        >>> list(batches("abcde", 2))
        [['a', 'b'], ['c', 'd'], ['e']]
    """
    batch = _Batch(batch_texts)
    for text in texts:
        if batch.add(text):
            yield batch.take()
    if batch.texts:
        yield batch.take()


async def abatches(texts: Iterable[str] | AsyncIterable[str], batch_texts: int) -> AsyncIterator[list[str]]:
    """As `batches`, of texts that may come by and by."""
    batch = _Batch(batch_texts)
    async for text in _each(texts):
        if batch.add(text):
            yield batch.take()
    if batch.texts:
        yield batch.take()


async def in_order(
    work: Iterable[WorkT] | AsyncIterable[WorkT], do: Callable[[WorkT], Awaitable[DoneT]], concurrency: int
) -> AsyncGenerator[DoneT]:
    """What came of each piece of work, in the order of the work, with `concurrency` of them running at once.

    Work is taken as it is needed: a few pieces for each that runs, however long the whole. When the iteration ends
    early, whatever still runs is cancelled.
    """
    free = asyncio.Semaphore(concurrency)

    async def one(piece: WorkT) -> DoneT:
        async with free:
            return await do(piece)

    begun: deque[asyncio.Task[DoneT]] = deque()
    try:
        async for piece in _each(work):
            begun.append(asyncio.create_task(one(piece)))
            while begun and (begun[0].done() or len(begun) >= _AHEAD * concurrency):
                yield await begun.popleft()
        while begun:
            yield await begun.popleft()
    finally:
        for task in begun:
            task.cancel()
        await asyncio.gather(*begun, return_exceptions=True)


def in_order_by_threads(work: Iterable[WorkT], do: Callable[[WorkT], DoneT], concurrency: int) -> Generator[DoneT]:
    """As `in_order`, with threads; when the iteration ends early, what runs is waited for and nothing else begins."""
    begun: deque[Future[DoneT]] = deque()
    with ThreadPoolExecutor(concurrency, thread_name_prefix="seatrial-client") as pool:
        try:
            for piece in work:
                begun.append(pool.submit(do, piece))
                while begun and (begun[0].done() or len(begun) >= _AHEAD * concurrency):
                    yield begun.popleft().result()
            while begun:
                yield begun.popleft().result()
        finally:
            for future in begun:
                future.cancel()


def is_about_texts(error: RequestError) -> bool:
    """Whether fewer texts, or other ones, would have been answered: not so for an unknown model or a broken engine."""
    return type(error) in (InvalidRequestError, PayloadTooLargeError)


def check_sizes(batch_texts: int, concurrency: int) -> None:
    """Refuses sizes that send nothing.

    Raises:
        UsageError: a size is below one.
    """
    if batch_texts < 1 or concurrency < 1:
        raise UsageError(f"batch_texts {batch_texts} and concurrency {concurrency} must both be at least 1.")


def total_of(texts: object) -> int | None:
    """How many texts there are, None where only counting would tell."""
    return len(texts) if isinstance(texts, Sequence) else None


class _Batch:
    """Texts that fill up."""

    def __init__(self, most_texts: int) -> None:
        self.texts: list[str] = []
        self._most_texts = most_texts
        self._chars = 0

    def add(self, text: str) -> bool:
        """Takes a text, and says whether the batch is full."""
        self.texts.append(text)
        self._chars += len(str(text))  # what is no text is refused where it is sent
        return len(self.texts) >= self._most_texts or self._chars >= _MOST_CHARS

    def take(self) -> list[str]:
        """The texts; the batch is empty then."""
        taken, self.texts, self._chars = self.texts, [], 0
        return taken


async def _each(items: Iterable[WorkT] | AsyncIterable[WorkT]) -> AsyncIterator[WorkT]:
    if isinstance(items, AsyncIterable):
        async for item in items:
            yield item
    else:
        for item in items:
            yield item
            await asyncio.sleep(0)  # what has begun goes on while the next is read
