"""Threads that engines compute in, and the way back to the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from typing import Any

__all__ = ["Workers"]


class Workers:
    """A fixed number of threads that take jobs in order.

    Leaner than an executor with its futures, which costs as much as a small model. The threads are daemons: an engine
    that hangs for ever must not keep a stopped server alive.
    """

    def __init__(self, count: int, name: str) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._threads = [threading.Thread(target=self._work, name=f"{name}-{i}", daemon=True) for i in range(count)]
        for thread in self._threads:
            thread.start()

    def run(self, job: Callable[[], Any], done: Callable[[Any], None]) -> None:
        """Runs `job` in a thread, then `done` on the running event loop, with what it returned or raised."""
        loop = asyncio.get_running_loop()

        def work() -> None:
            try:
                outcome = job()
            except Exception as error:  # noqa: BLE001  the job's fault is the job's outcome
                outcome = error
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to hear it
                loop.call_soon_threadsafe(done, outcome)

        self._jobs.put(work)

    def stop(self) -> None:
        """Ends each thread after the job it is at."""
        for _ in self._threads:
            self._jobs.put(None)

    def _work(self) -> None:
        while work := self._jobs.get():
            work()
