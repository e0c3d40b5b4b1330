"""Threads and the way back to the loop."""

from __future__ import annotations

import asyncio
import threading

import pytest

from seatrial.serving.workers import Workers


def test_a_job_runs_elsewhere_and_its_outcome_comes_back_on_the_loop() -> None:
    async def scenario() -> None:
        workers = Workers(2, "test")
        outcome = asyncio.get_running_loop().create_future()
        workers.run(threading.get_ident, lambda ident: outcome.set_result((ident, threading.get_ident())))
        job_thread, done_thread = await outcome
        workers.stop()
        assert done_thread == threading.get_ident() != job_thread

    asyncio.run(scenario())


def test_what_a_job_raises_is_its_outcome_and_the_thread_goes_on() -> None:
    async def scenario() -> None:
        workers = Workers(1, "test")
        outcomes: asyncio.Queue[object] = asyncio.Queue()
        workers.run(lambda: 1 / 0, outcomes.put_nowait)
        workers.run(lambda: "fine", outcomes.put_nowait)
        assert isinstance(await outcomes.get(), ZeroDivisionError)
        assert await outcomes.get() == "fine"
        workers.stop()

    asyncio.run(scenario())


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_job_that_outlives_its_loop_ends_in_silence() -> None:
    may_end = threading.Event()
    workers = Workers(1, "test")

    async def scenario() -> None:
        workers.run(lambda: may_end.wait(30), lambda _outcome: pytest.fail("the loop is closed"))

    asyncio.run(scenario())
    may_end.set()
    workers.stop()
    for thread in workers._threads:
        thread.join(30)
        assert not thread.is_alive()
