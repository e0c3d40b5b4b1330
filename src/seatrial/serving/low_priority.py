"""Work that must not slow requests down, and memory given back to the system afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

__all__ = ["give_memory_back", "run_at_low_priority"]

ResultT = TypeVar("ResultT")

_LOW = 10
"""Nice value: about a tenth of a core beside busy workers, a whole one beside idle ones."""
_THREADS = Path("/proc/self/task")


async def run_at_low_priority(work: Callable[[], ResultT], name: str) -> ResultT:
    """Runs `work` in a thread of its own that gives way to everything else of this process.

    A thread that lowered its priority may not raise it again, so it is not one of a pool. Only Linux gives threads
    priorities of their own; elsewhere the thread runs at the usual one.

    Raises:
        Exception: what `work` raised.
    """
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[ResultT] = loop.create_future()

    def run() -> None:
        try:
            with _low_priority():
                result = work()
            settle = _unless_done(outcome, lambda: outcome.set_result(result))
        except Exception as error:  # noqa: BLE001  handed to whoever awaits
            fault = error
            settle = _unless_done(outcome, lambda: outcome.set_exception(fault))
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to hear it
            loop.call_soon_threadsafe(settle)

    threading.Thread(target=run, name=name, daemon=True).start()
    return await outcome


def give_memory_back() -> None:
    """Returns freed memory to the system, which C libraries otherwise keep for later; does nothing where glibc is not.

    Source:
        malloc_trim(3): since glibc 2.8 it frees memory in all arenas.
    """
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


def _unless_done(outcome: asyncio.Future[ResultT], settle: Callable[[], None]) -> Callable[[], None]:
    """Settles a future on the loop, unless whoever awaited it was cancelled meanwhile."""

    def act() -> None:
        if not outcome.done():
            settle()

    return act


@contextlib.contextmanager
def _low_priority() -> Iterator[None]:
    """The running thread at low priority; threads that it starts get the usual one back where the system allows."""
    if sys.platform != "linux":
        yield
        return
    own = threading.get_native_id()
    usual = os.getpriority(os.PRIO_PROCESS, own)
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, own, usual + _LOW)
    try:
        yield
    finally:
        # An engine's threads inherit the priority. Without the right to raise it they keep it: they work only while
        # a text is alone in the process, when it is other processes that they give way to.
        for thread in map(int, (entry.name for entry in _THREADS.iterdir())):
            with contextlib.suppress(OSError):
                if thread != own and os.getpriority(os.PRIO_PROCESS, thread) == usual + _LOW:
                    os.setpriority(os.PRIO_PROCESS, thread, usual)
