"""The data plane without its protocols."""

from __future__ import annotations

import asyncio
import logging
import time
from pathlib import Path
from typing import Any

import pytest

from seatrial.config import ServingSettings
from seatrial.domain.errors import (
    InvalidRequestError,
    NotReadyError,
    OverloadedError,
    PayloadTooLargeError,
    UsageError,
)
from seatrial.domain.inference import Outcome, PredictionRecord
from seatrial.engines.fake_engine import FakeEngine
from seatrial.serving.plane import Answer, DataPlane, Question
from tests.builders import onnx_bundle
from tests.data_plane import Collected


def ask(directory: Path, texts: list[str], max_length: int | None = None, **settings: Any) -> Answer:
    """The answer of a plane with a fake engine."""

    async def scenario() -> Answer:
        plane = DataPlane(ServingSettings(sessions=1, **settings), lambda _bundle: FakeEngine())
        plane.load([onnx_bundle(directory / "bundle")])
        plane.start()
        try:
            return await plane.predict(plane.pick(None), Question(texts, time.monotonic() + 30, max_length))
        finally:
            await plane.stop()

    return asyncio.run(scenario())


def test_a_large_request_is_tokenised_in_a_thread_to_the_same_answer(tmp_path: Path) -> None:
    small = ["good film " * 3]
    large = [*small, *["awful plot " * 300] * 20]
    assert ask(tmp_path / "a", small).scores[0].probabilities == pytest.approx(
        ask(tmp_path / "b", large).scores[0].probabilities, abs=1e-6
    )


def test_tokens_are_counted_after_the_cut(tmp_path: Path) -> None:
    answer = ask(tmp_path, ["good film good film good film"], max_length=5)
    assert (answer.tokens, answer.clipped_to) == (5, None)


def test_only_a_length_that_was_asked_for_counts_as_clipped(tmp_path: Path) -> None:
    assert ask(tmp_path / "a", ["good"], max_length=65).clipped_to == 64
    assert ask(tmp_path / "b", ["good"], max_length=None).clipped_to is None


@pytest.mark.parametrize(
    ("texts", "settings", "error"),
    [
        ([], {}, InvalidRequestError),
        (["good", "\u2003"], {}, InvalidRequestError),
        (["good"] * 3, {"max_texts": 2}, PayloadTooLargeError),
        (["good"] * 3, {"max_queue_texts": 2}, PayloadTooLargeError),
        (["good"], {"max_text_chars": 3}, PayloadTooLargeError),
    ],
)
def test_texts_outside_the_limits_are_refused(
    tmp_path: Path, texts: list[str], settings: dict[str, int], error: type[Exception]
) -> None:
    with pytest.raises(error):
        ask(tmp_path, texts, **settings)


def test_a_text_that_cannot_be_tokenised_gives_its_place_back(tmp_path: Path) -> None:
    async def scenario() -> None:
        plane = DataPlane(ServingSettings(sessions=1, max_queue_texts=2), lambda _bundle: FakeEngine())
        plane.load([onnx_bundle(tmp_path / "bundle")])
        plane.start()
        variant = plane.pick(None)
        for _ in range(3):  # a leak would make the third one an overload
            with pytest.raises(InvalidRequestError):
                await plane.predict(variant, Question(["half a pair: \ud83d"], time.monotonic() + 30))
        both = [plane.predict(variant, Question(["good", "film"], time.monotonic() + 30)) for _ in range(2)]
        first, second = await asyncio.gather(*both, return_exceptions=True)
        assert isinstance(first, Answer)
        assert isinstance(second, OverloadedError)
        await plane.stop()
        await plane.stop()

    asyncio.run(scenario())


def test_nothing_answers_before_it_is_loaded_and_nothing_is_ready_while_it_drains(tmp_path: Path) -> None:
    async def scenario() -> None:
        plane = DataPlane(ServingSettings(), lambda _bundle: FakeEngine())
        with pytest.raises(NotReadyError, match="loading"):
            plane.pick(None)
        with pytest.raises(NotReadyError):
            plane.require_ready()
        plane.load([onnx_bundle(tmp_path / "bundle")])
        plane.require_ready()
        plane.begin_drain()
        with pytest.raises(NotReadyError, match="shutting down"):
            plane.require_ready()
        assert plane.pick(None).ref == "tiny@1"

    asyncio.run(scenario())


def test_nothing_or_one_version_twice_is_not_loaded(tmp_path: Path) -> None:
    plane = DataPlane(ServingSettings(), lambda _bundle: FakeEngine())
    with pytest.raises(UsageError, match="nothing to serve"):
        plane.load([])
    bundle = onnx_bundle(tmp_path / "bundle")
    with pytest.raises(UsageError, match="named twice"):
        plane.load([bundle, bundle])


def test_a_sink_that_raises_does_not_silence_the_next(caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        def record(self, record: PredictionRecord) -> None:
            raise OSError("No space left on device")

    collected = Collected()
    plane = DataPlane(ServingSettings(), lambda _bundle: FakeEngine(), [Broken(), collected])
    record = PredictionRecord("r", "m", "1", Outcome.SUCCESS, 0.1)
    with caplog.at_level(logging.ERROR):
        plane.record(record)
    assert collected.records == [record]
    assert "record sink failed" in caplog.text
