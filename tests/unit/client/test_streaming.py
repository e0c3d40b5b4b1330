"""One result for each text, in order, whatever the sizes and whatever goes wrong on the way."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.client import AsyncClient, Client, Patience, in_order
from seatrial.client.streaming import abatches, batches, in_order_by_threads
from seatrial.domain.errors import InvalidRequestError, ModelNotServedError, PayloadTooLargeError, UsageError
from seatrial.domain.progress import Progress, Step
from tests.scripted import HASTY, Scripted, ask_all, good_answer, texts_of

BOTH = pytest.mark.parametrize("threads", [True, False], ids=["Client", "AsyncClient"])


class Unsteady:
    """A server that takes so many texts at once, and fails at random in every way that may be repeated."""

    def __init__(self, most_texts: int, failing: float, seed: int) -> None:
        self.most_texts = most_texts
        self.failing = failing
        self.random = random.Random(seed)
        self.lock = threading.Lock()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        with self.lock:
            fails, kind = self.random.random() < self.failing, self.random.randrange(5)
        if fails and kind == 0:
            raise httpx.ConnectError("refused")
        if fails and kind == 1:
            raise httpx.RemoteProtocolError("disconnected")
        if fails:
            return httpx.Response((429, 502, 503)[kind - 2], headers={"retry-after": "0"})
        texts = texts_of(request)
        if len(texts) > self.most_texts:
            return httpx.Response(413, json={"error": "Too many."})
        if "" in texts:
            return httpx.Response(400, json={"error": f"texts[{texts.index('')}] is empty."})
        return good_answer(texts)


# Enough attempts that a script which fails half of the time does not end one request in a million years.
STUBBORN = Patience(first_pause_s=0.0, attempts=200)


@BOTH
@settings(max_examples=40, deadline=None)
@given(
    signs=st.lists(st.sampled_from("+-"), max_size=120),
    batch_texts=st.integers(1, 50),
    concurrency=st.integers(1, 6),
    most_texts=st.integers(1, 60),
    failing=st.floats(0, 0.5),
    seed=st.integers(0, 2**32),
)
def test_every_text_gets_its_own_answer_in_its_place(
    threads: bool, signs: list[str], batch_texts: int, concurrency: int, most_texts: int, failing: float, seed: int
) -> None:
    texts = [f"{place} {sign}" for place, sign in enumerate(signs)]
    transport = Scripted(Unsteady(most_texts, failing, seed))
    labels = ask_all(
        transport, texts, threads=threads, patience=STUBBORN, batch_texts=batch_texts, concurrency=concurrency
    )
    assert labels == ["positive" if sign == "+" else "negative" for sign in signs]


@settings(max_examples=40, deadline=None)
@given(
    texts=st.lists(st.sampled_from(["+", "-", ""]), max_size=40),
    most_texts=st.integers(1, 50),
    failing=st.floats(0, 0.5),
    seed=st.integers(0, 2**32),
)
def test_a_refused_text_has_its_error_in_its_place_and_harms_no_other(
    texts: list[str], most_texts: int, failing: float, seed: int
) -> None:
    async def ask_again() -> list[object]:
        async with AsyncClient(transport=Scripted(Unsteady(most_texts, failing, seed)), patience=STUBBORN) as client:
            return list(await client.predict_each(texts))

    with Client(transport=Scripted(Unsteady(most_texts, failing, seed)), patience=STUBBORN) as client:
        results = client.predict_each(texts)
    for result, other, text in zip(results, asyncio.run(ask_again()), texts, strict=True):
        if text:
            assert not isinstance(result, Exception)
            assert result == other
            assert result.label == ("positive" if text == "+" else "negative")
        else:
            assert type(result) is type(other) is InvalidRequestError


@BOTH
def test_a_refused_text_ends_a_stream_and_is_named(threads: bool) -> None:
    transport = Scripted(Unsteady(100, 0.0, 0))
    with pytest.raises(InvalidRequestError) as raised:
        ask_all(transport, ["+"] * 17 + [""] + ["+"] * 40, threads=threads, batch_texts=10)
    assert raised.value.__notes__ == ["It is about text 17 of the stream, counted from 0."]


@BOTH
def test_a_server_without_the_model_is_not_asked_about_each_text(threads: bool) -> None:
    transport = Scripted(lambda _request: httpx.Response(404, json={"error": "No model is served."}))
    with pytest.raises(ModelNotServedError):
        ask_all(transport, ["+"] * 10, threads=threads, batch_texts=10)
    assert len(transport.requests) == 1


def test_one_text_that_is_too_large_is_an_error_of_its_own() -> None:
    with Client(transport=Scripted(Unsteady(0, 0.0, 0)), patience=HASTY) as client:
        assert [type(result) for result in client.predict_each(["+", "-"])] == [PayloadTooLargeError] * 2


class Source:
    """A million texts, and how far ahead of its reader it was read."""

    def __init__(self) -> None:
        self.taken = 0

    def __iter__(self) -> Iterator[str]:
        for _ in range(1_000_000):
            self.taken += 1
            yield "+"

    async def __aiter__(self) -> AsyncIterator[str]:
        for text in self:
            yield text


def test_memory_holds_a_few_batches_however_long_the_stream() -> None:
    source, seen = Source(), 0
    with Client(transport=Scripted(lambda request: good_answer(texts_of(request)))) as client:
        stream = client.predict_many(iter(source), batch_texts=10, concurrency=3)
        for _ in range(500):
            next(stream)
            seen += 1
            assert source.taken - seen <= 10 * (2 * 3 + 1)
        stream.close()  # type: ignore[attr-defined]  # a generator


def test_memory_holds_a_few_batches_of_an_asynchronous_source() -> None:
    async def read() -> None:
        source, seen = Source(), 0
        async with AsyncClient(transport=Scripted(lambda request: good_answer(texts_of(request)))) as client:
            async for _ in client.predict_many(source.__aiter__(), batch_texts=10, concurrency=3):
                seen += 1
                assert source.taken - seen <= 10 * (2 * 3 + 1)
                if seen == 500:
                    break

    asyncio.run(read())


def test_so_many_requests_are_under_way_and_no_more() -> None:
    running = most = 0

    async def ask(piece: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        for _ in range(50 + piece % 5):
            await asyncio.sleep(0)
        running -= 1
        return piece

    async def collect() -> list[int]:
        return [done async for done in in_order(range(200), ask, 7)]

    assert asyncio.run(collect()) == list(range(200))
    assert most == 7


def test_threads_run_side_by_side_and_answer_in_order() -> None:
    meeting = threading.Barrier(4, timeout=30)  # four must be under way at once, or the test fails here

    def ask(piece: int) -> int:
        meeting.wait()
        return piece

    assert list(in_order_by_threads(range(40), ask, 4)) == list(range(40))


def test_what_still_runs_is_cancelled_when_the_reader_leaves() -> None:
    cancelled = 0

    async def ask(piece: int) -> int:
        nonlocal cancelled
        try:
            await asyncio.sleep(0 if piece == 0 else 600)
        except asyncio.CancelledError:
            cancelled += 1
            raise
        return piece

    async def leave() -> None:
        stream = in_order(range(100), ask, 4)
        assert await anext(stream) == 0
        await stream.aclose()

    asyncio.run(leave())
    assert 1 <= cancelled <= 4


def test_long_texts_fill_a_batch_before_many_do() -> None:
    assert [len(batch) for batch in batches(["x" * 400_000] * 7, 100)] == [3, 3, 1]

    async def collect() -> list[int]:
        return [len(batch) async for batch in abatches(["x" * 400_000] * 7, 100)]

    assert asyncio.run(collect()) == [3, 3, 1]


@BOTH
@pytest.mark.parametrize("sizes", [{"batch_texts": 0}, {"concurrency": 0}])
def test_sizes_that_send_nothing_are_refused(threads: bool, sizes: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="at least 1"):
        ask_all(Scripted(Unsteady(9, 0.0, 0)), ["+"], threads=threads, **sizes)


class Watched(Progress):
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def step(self, title: str, total: int | None = None) -> Watched:
        self.told.append((title, total))
        return self

    def __enter__(self) -> Step:
        return self

    def __exit__(self, *_ended: object) -> None:
        self.told.append("ended")

    def advance(self, amount: int = 1, note: str = "") -> None:
        self.told.append(amount)


@BOTH
def test_progress_is_told(threads: bool) -> None:
    watched = Watched()
    ask_all(Scripted(Unsteady(9, 0.0, 0)), ["+"] * 5, threads=threads, batch_texts=2, progress=watched)
    assert watched.told == [("predict", 5), 2, 2, 1, "ended"]
