"""Leaving clients, without a socket and without waiting for the clock."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest

from seatrial.serving import watch
from seatrial.serving.watch import ClientWatch


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "_FIRST_LOOK_S", 0.0)


def test_a_client_that_leaves_ends_the_block() -> None:
    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.disconnect"}

    async def answer() -> str:
        with pytest.raises(ConnectionAbortedError, match="left before the answer"), ClientWatch(receive):
            await asyncio.Event().wait()
        await asyncio.sleep(0)  # the task goes on: its cancellation has been dealt with
        return "went on"

    assert asyncio.run(answer()) == "went on"


def test_a_client_that_stays_changes_nothing_and_is_watched_no_longer() -> None:
    asked = 0

    async def receive() -> MutableMapping[str, Any]:
        nonlocal asked
        asked += 1
        await asyncio.Event().wait()
        raise AssertionError

    async def answer() -> int:
        with ClientWatch(receive):
            while not asked:
                await asyncio.sleep(0)
        await asyncio.sleep(0)
        return len(asyncio.all_tasks())

    assert asyncio.run(answer()) == 1


def test_being_cancelled_by_somebody_else_stays_that() -> None:
    async def receive() -> MutableMapping[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError

    async def answer() -> None:
        with ClientWatch(receive):
            await asyncio.Event().wait()

    async def cancel() -> None:
        task = asyncio.create_task(answer())
        await asyncio.sleep(0)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancel())


def test_a_fault_of_the_block_stays_that() -> None:
    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.disconnect"}

    async def answer() -> None:
        with ClientWatch(receive):
            raise KeyError

    with pytest.raises(KeyError):
        asyncio.run(answer())
