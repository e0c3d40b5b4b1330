from __future__ import annotations

import asyncio
import os

import msgspec
import pytest

from seatrial.domain.errors import UnreachableError
from seatrial.loadgen.apart import LoadProcess, run_apart
from seatrial.loadgen.plan import Bounds, Closed, Load, Mix, Target
from seatrial.loadgen.results import LoadResult
from tests.scripted_server import Received, answering, prediction


def test_a_load_in_its_own_process_says_what_it_saw() -> None:
    async def right(request: Received) -> tuple[int, bytes]:
        return 200, prediction(request.texts)

    async def run() -> tuple[LoadResult, int]:
        async with answering(right) as server:
            target = Target("127.0.0.1", server.port, pid=os.getpid())
            load = Load(target, Mix(("fine", "poor")), closed=Closed(2), bounds=Bounds(0, 60, 500))
            return await asyncio.to_thread(run_apart, load), len(server.received)

    result, received = asyncio.run(run())
    assert result.total.outcomes == {"200": 500}
    assert received == 500
    assert result.client_cpu_ratio > 0
    assert result.server_cpu_s is not None, "this process is the server, and told its number"


def test_a_load_that_is_left_early_is_ended() -> None:
    load = Load(Target("127.0.0.1", 9), Mix(("fine",)), closed=Closed(1), bounds=Bounds(0, 600))
    with LoadProcess(load) as running:
        assert running.is_alive()
    assert not running.is_alive()


def test_a_process_without_a_result_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    load = Load(Target("127.0.0.1", 9), Mix(("fine",)), closed=Closed(1), bounds=Bounds(0, 600))
    monkeypatch.setattr(msgspec.json, "encode", lambda _load: b"no load")
    with pytest.raises(UnreachableError, match="ended with code 1"):
        run_apart(load)
