"""Sends a load and observes what comes of it, on the running event loop."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import Iterator

from seatrial.loadgen.arrivals import arrivals
from seatrial.loadgen.calls import Call, calls_of, judge
from seatrial.loadgen.connection import Connection
from seatrial.loadgen.plan import Closed, Load, Open
from seatrial.loadgen.results import LoadResult, Observation, Spent, summarise
from seatrial.loadgen.usage import cpu_s

__all__ = ["run_load"]

_BETWEEN_REFUSALS_S = 0.05
"""A client whom nobody lets in tries again after this, instead of spinning."""
_CLOCK_STEP_S = 0.001
"""Timers of the event loop have no finer steps."""


async def run_load(load: Load) -> LoadResult:
    """Runs a load to its end."""
    return await _Run(load).result()


class _Run:
    """One load under way."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._calls: Iterator[Call] = itertools.islice(
            itertools.cycle(calls_of(load.mix, load.target, load.bounds.max_requests)), load.bounds.max_requests
        )
        self._observations: list[Observation] = []
        self._idle: list[Connection] = []
        self._admitted = asyncio.Semaphore(load.open.max_connections if load.open else load.bounds.max_requests)
        self._stopped = False

    async def result(self) -> LoadResult:
        """Sends, waits for the last answers, and sums up."""
        bounds = self._load.bounds
        began_s = time.monotonic()
        sending = asyncio.create_task(self._send(began_s))
        try:
            await _ended(sending, bounds.warm_up_s)
            start_s, before = time.monotonic(), self._spent()
            await _ended(sending, bounds.window_s)
            # Where the requests ran out, the window ends with the last answer, and everything counts.
            stop_s, after = time.monotonic(), self._spent()
            self._stopped = True
            await _ended(sending, bounds.drain_s)
        finally:
            sending.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sending
            for connection in self._idle:
                connection.close()
        return summarise(self._observations, start_s, stop_s, _between(before, after))

    def _spent(self) -> Spent:
        pid = self._load.target.pid
        return Spent(time.process_time(), None if pid is None else cpu_s(pid))

    async def _send(self, began_s: float) -> None:
        if self._load.closed is not None:
            await self._send_closed(self._load.closed)
        elif self._load.open is not None:
            await self._send_open(self._load.open, began_s)

    async def _send_closed(self, plan: Closed) -> None:
        async with asyncio.TaskGroup() as clients:
            for _ in range(plan.clients):
                clients.create_task(self._client())

    async def _client(self) -> None:
        for call in self._calls:
            if not await self._exchange(call, time.monotonic()):
                await asyncio.sleep(_BETWEEN_REFUSALS_S)
            if self._stopped:
                return

    async def _send_open(self, plan: Open, began_s: float) -> None:
        async with asyncio.TaskGroup() as requests:
            for call, offset_s in zip(self._calls, arrivals(plan, self._load.mix.seed), strict=False):
                due_s = began_s + offset_s
                while (wait_s := due_s - time.monotonic()) > 0:
                    await asyncio.sleep(max(wait_s, _CLOCK_STEP_S))
                if self._stopped:
                    return
                requests.create_task(self._exchange(call, due_s))

    async def _exchange(self, call: Call, due_s: float) -> bool:
        """One request and its observation; False where nobody let the client in."""
        sent_s, ended, fault = due_s, "timeout", ""  # what stays true where the load ends before the answer
        try:
            async with self._admitted:
                connection = self._idle.pop() if self._idle else None
                if connection is None or not connection.is_open:
                    connection = await Connection.to(self._load.target.host, self._load.target.port)
                sent_s = time.monotonic()
                ended, fault = await self._ask(connection, call)
                if connection.is_open:
                    self._idle.append(connection)
        except OSError:
            ended = "refused"
        finally:
            self._observations.append(Observation(due_s, sent_s, time.monotonic(), ended, len(call.chosen), fault))
        return ended != "refused"

    async def _ask(self, connection: Connection, call: Call) -> tuple[str, str]:
        """How the request ended, and what is wrong with its answer."""
        answer = connection.send(call.message)
        leaves = call.leaves_after_s is not None
        timer = asyncio.get_running_loop().call_later(
            self._load.bounds.timeout_s if call.leaves_after_s is None else call.leaves_after_s, answer.cancel
        )
        try:
            status, body = await answer
        except asyncio.CancelledError:
            connection.close()
            if _is_being_cancelled():
                raise
            return ("cancelled" if leaves else "timeout"), ""
        except ConnectionResetError:
            return "reset", ""
        finally:
            timer.cancel()
        return str(status), judge(self._load.mix, call, status, body)


async def _ended(task: asyncio.Task[None], within_s: float) -> bool:
    """Waits for a task at most so long; a fault of the task is raised here."""
    done, _ = await asyncio.wait([task], timeout=within_s)
    if done:
        task.result()
    return bool(done)


def _between(before: Spent, after: Spent) -> Spent:
    server_s = None
    if before.server_s is not None and after.server_s is not None:
        server_s = after.server_s - before.server_s
    return Spent(after.client_s - before.client_s, server_s)


def _is_being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
