"""Loading that gives way."""

from __future__ import annotations

import asyncio
import os
import sys
import threading

import pytest

from seatrial.domain.errors import BundleAlteredError
from seatrial.serving.low_priority import give_memory_back, run_at_low_priority

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives threads priorities of their own")


def own_priority() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


@linux
def test_the_work_has_a_low_priority_and_nothing_else_has() -> None:
    usual = own_priority()
    assert asyncio.run(run_at_low_priority(own_priority, "test")) > usual
    assert own_priority() == usual


@linux
@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root may raise a priority")
def test_threads_that_the_work_starts_get_the_usual_priority_back() -> None:
    may_look, priorities = threading.Event(), list[int]()

    def look() -> None:
        assert may_look.wait(30)
        priorities.append(own_priority())

    def start_a_thread() -> threading.Thread:
        thread = threading.Thread(target=look)
        thread.start()
        return thread

    thread = asyncio.run(run_at_low_priority(start_a_thread, "test"))
    may_look.set()
    thread.join(30)
    assert priorities == [own_priority()]


def test_what_the_work_raises_is_raised_where_it_is_awaited() -> None:
    def work() -> None:
        raise BundleAlteredError("The file was altered: fetch it again.")

    with pytest.raises(BundleAlteredError):
        asyncio.run(run_at_low_priority(work, "test"))


def test_whoever_stops_waiting_for_it_harms_nobody() -> None:
    entered, may_end, ended = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        entered.set()
        assert may_end.wait(30)
        ended.set()

    async def scenario() -> None:
        task = asyncio.create_task(run_at_low_priority(work, "test"))
        while not entered.is_set():
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        may_end.set()
        while not ended.is_set():
            await asyncio.sleep(0.001)

    asyncio.run(scenario())


@linux
def test_freed_memory_goes_back_to_the_system() -> None:
    def resident_bytes() -> int:
        with open("/proc/self/statm", encoding="ascii") as statm:  # noqa: PTH123  a file of the kernel, read in place
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    blocks = [bytes(100_000) for _ in range(1000)]  # below the size that glibc maps one by one
    pinned = bytes(100_000)  # keeps the heap's end where it is
    full_bytes = resident_bytes()
    del blocks
    give_memory_back()
    assert full_bytes - resident_bytes() > 50_000_000
    assert pinned
