"""Versions that come and go while requests run."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import numpy as np
import pytest

from seatrial.bundle import Bundle
from seatrial.config import ServingSettings
from seatrial.domain.errors import (
    ModelNotServedError,
    NotReadyError,
    UnknownVersionError,
    UsageError,
    VersionInUseError,
)
from seatrial.domain.inference import InferenceEngine
from seatrial.engines.fake_engine import FakeEngine
from seatrial.serving.plane import DataPlane, Question
from tests.builders import onnx_bundle

WITHIN_S = 30.0


class House:
    """A plane that serves version 1, and finds others that are made when they are asked for."""

    def __init__(self, directory: Path, load: Callable[[Bundle], InferenceEngine] | None = None) -> None:
        self._directory = directory
        self.engines: dict[str, FakeEngine] = {}
        self.plane = DataPlane(ServingSettings(sessions=2), load or self._load, find_bundle=self.find)

    def find(self, ref: str) -> Bundle:
        model, _, version = ref.partition("@")
        if version == "404":
            raise UnknownVersionError(f"{ref} has no bundle.")
        number = int({"production": "1"}.get(version, version))
        return onnx_bundle(self._directory / f"{model}-{number}", model=model, version=number)

    def _load(self, bundle: Bundle) -> InferenceEngine:
        """Each version's logits are shifted apart by its number."""
        version = str(bundle.manifest.version)
        # Added to one logit only, it would be seen in the probabilities; the tests look at the logits themselves.
        engine = self.engines[version] = FakeEngine(script=lambda _call: 10.0 * int(version))
        return engine

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[DataPlane]:
        self.plane.load([self.find("tiny@1")])
        self.plane.start()
        try:
            yield self.plane
        finally:
            await self.plane.stop()


async def version_that_answers(plane: DataPlane, model: str | None = None, version: str | None = None) -> str:
    """The number of the version whose engine answered, and that the plane said it would be."""
    variant = plane.pick(model, version)
    answer = await plane.predict(variant, Question(["good film"], time.monotonic() + WITHIN_S))
    number = str(int(np.round(answer.logits.mean() / 10)))
    assert number == variant.version
    return number


def test_a_loaded_version_takes_no_traffic_until_it_is_switched_and_answers_when_named(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with House(tmp_path).running() as plane:
            await plane.load_version("tiny@2")
            assert await version_that_answers(plane) == "1"
            assert await version_that_answers(plane, "tiny", "2") == "2"
            await plane.switch("tiny", "2")
            assert plane.traffic == {"tiny": "2"}
            assert await version_that_answers(plane) == "2"
            await plane.unload("tiny@1")
            with pytest.raises(ModelNotServedError):
                plane.pick("tiny", "1")
            assert [variant.ref for variant in plane.variants] == ["tiny@2"]

    asyncio.run(scenario())


def test_loading_twice_or_by_alias_loads_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with House(tmp_path).running() as plane:
            first, second = await asyncio.gather(plane.load_version("tiny@2"), plane.load_version("tiny@2"))
            assert first is second
            assert await plane.load_version("tiny@production") is plane.pick("tiny", "1")
            assert len(plane.variants) == 2

    asyncio.run(scenario())


def test_what_cannot_be_found_changes_nothing(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with House(tmp_path).running() as plane:
            with pytest.raises(UnknownVersionError):
                await plane.load_version("tiny@404")
            with pytest.raises(ModelNotServedError):
                await plane.switch("tiny", "7")
            with pytest.raises(ModelNotServedError):
                await plane.unload("tiny@7")
            with pytest.raises(ModelNotServedError):
                await plane.unload("other")
            assert await version_that_answers(plane) == "1"

    asyncio.run(scenario())


def test_the_version_with_the_traffic_is_not_unloaded(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with House(tmp_path).running() as plane:
            with pytest.raises(VersionInUseError, match="switch it"):
                await plane.unload("tiny@1")
            assert await version_that_answers(plane) == "1"

    asyncio.run(scenario())


def test_versions_are_loaded_only_while_the_process_is_ready_and_can_find_them(tmp_path: Path) -> None:
    async def scenario() -> None:
        bundle = onnx_bundle(tmp_path / "one")
        plane = DataPlane(ServingSettings(), lambda _bundle: FakeEngine())
        with pytest.raises(NotReadyError):
            await plane.load_version("tiny@2")
        plane.load([bundle])
        with pytest.raises(UsageError, match="start it anew with tiny@2"):
            await plane.load_version("tiny@2")
        plane.begin_drain()
        with pytest.raises(NotReadyError):
            await plane.load_version("tiny@2")

    asyncio.run(scenario())


def test_unloading_waits_for_the_requests_that_run(tmp_path: Path) -> None:
    async def scenario() -> None:
        loop, entered, let_go = asyncio.get_running_loop(), asyncio.Event(), threading.Event()

        def hold(call: int) -> float:
            if call == 0:
                loop.call_soon_threadsafe(entered.set)
                assert let_go.wait(WITHIN_S)
            return 0.0

        async with House(tmp_path, lambda _bundle: FakeEngine(script=hold)).running() as plane:
            old = plane.pick(None)
            running = asyncio.create_task(plane.predict(old, Question(["good"], time.monotonic() + WITHIN_S)))
            await plane.load_version("tiny@2")
            await plane.switch("tiny", "2")
            await entered.wait()
            unloading = asyncio.create_task(plane.unload("tiny@1"))
            await asyncio.sleep(0)
            with pytest.raises(ModelNotServedError, match="send it again"):
                await plane.predict(old, Question(["good"], time.monotonic() + WITHIN_S))
            assert not unloading.done()
            let_go.set()
            assert len((await running).scores) == 1
            await unloading

    asyncio.run(scenario())


def test_hot_swaps_under_constant_load_lose_nothing_and_every_answer_is_of_a_loaded_version(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with House(tmp_path).running() as plane:
            answered: dict[str, int] = {}
            swapping = True

            async def client() -> None:
                while swapping:
                    loaded = {variant.version for variant in plane.variants}
                    version = await version_that_answers(plane)
                    assert version in loaded
                    answered[version] = answered.get(version, 0) + 1

            clients = [asyncio.create_task(client()) for _ in range(8)]
            for version in range(2, 6):
                await plane.load_version(f"tiny@{version}")
                await plane.switch("tiny", str(version))
                await plane.unload(f"tiny@{version - 1}")
            swapping = False
            await asyncio.gather(*clients)
        assert set(answered) >= {"1", "4", "5"}

    asyncio.run(scenario())
