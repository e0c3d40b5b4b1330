"""Noticing that a client has left before its answer."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from seatrial.serving.asgi import Receive

__all__ = ["ClientWatch", "uncancel"]

_FIRST_LOOK_S = 0.25
"""An answer is mostly there by then, also on a server at its capacity: watching costs a task, which most requests are
spared. A client that left earlier than this would have been served by then, too."""


class ClientWatch:
    """A block that ends with ConnectionAbortedError soon after the client has left.

    Args:
        receive: of a request whose body has been read: the next message is that the client is gone.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._task = asyncio.current_task()
        self._watcher: asyncio.Task[None] | None = None
        self._left = False

    def __enter__(self) -> Self:
        self._timer = asyncio.get_running_loop().call_later(_FIRST_LOOK_S, self._begin)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        if self._watcher is not None:
            self._watcher.cancel()
        if self._left and isinstance(error, asyncio.CancelledError):
            uncancel()
            raise ConnectionAbortedError("The client left before the answer.") from None

    def _begin(self) -> None:
        self._watcher = asyncio.get_running_loop().create_task(self._watch())

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._left = True
        if self._task is not None:
            self._task.cancel()


def uncancel() -> None:
    """Takes back the cancellation of the running task, which has been dealt with."""
    task = asyncio.current_task()
    if task is not None:
        task.uncancel()
