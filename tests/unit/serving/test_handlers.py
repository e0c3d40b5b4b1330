"""People's own code: served like any model, and blamed by name where it fails."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seatrial.config import ServingSettings
from seatrial.domain.errors import ConfigError, InferenceError, InvalidRequestError, ModelNotServedError
from seatrial.domain.inference import InferenceEngine, TokenBatch
from seatrial.engines.fake_engine import FakeEngine
from seatrial.serving.handlers import Objects, OwnCode
from seatrial.serving.plane import Answer, DataPlane, Question

GOOD = """
class Handler:
    labels = ("short", "long")

    def setup(self, directory):
        self.limit = int((directory / "limit.txt").read_text())
        self.batches = []

    def decode(self, text):
        if "?" in text:
            raise ValueError("questions are not read here: send statements.")
        if "!" in text:
            raise KeyError("decode fault")
        return len(text)

    def predict(self, inputs):
        self.batches.append(list(inputs))
        return [length > self.limit for length in inputs]

    def encode(self, output):
        return [0.0, 1.0] if output else [0.75, 0.25]
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory for the handler's module, which is forgotten afterwards."""
    (tmp_path / "limit.txt").write_text("10", "utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def own_code(project: Path, source: str = GOOD, spec: str = "own_handler:Handler") -> OwnCode:
    (project / "own_handler.py").write_text(source, "utf-8")
    return OwnCode(spec, "lengths", project)


def no_engine(_bundle: object) -> InferenceEngine:
    return FakeEngine()


def ask(code: OwnCode, *requests: Sequence[str] | TokenBatch) -> list[Any]:
    """The answers to requests sent at once, errors among them."""

    async def scenario() -> list[Any]:
        plane = DataPlane(ServingSettings(sessions=1, max_batch_texts=3), no_engine)
        plane.serve_also(code)
        plane.load([])
        plane.start()
        try:
            questions = [Question(inputs, time.monotonic() + 30) for inputs in requests]
            return await asyncio.gather(
                *(plane.predict(plane.pick("lengths"), question) for question in questions), return_exceptions=True
            )
        finally:
            await plane.stop()

    return asyncio.run(scenario())


def test_a_handler_answers_in_order_in_batches_with_its_own_probabilities(project: Path) -> None:
    texts = ["x" * length for length in (1, 20, 3, 40, 5, 60, 7)]
    (answer,) = ask(own_code(project), texts)
    assert isinstance(answer, Answer)
    assert [score.label for score in answer.scores] == ["short", "long"] * 3 + ["short"]
    np.testing.assert_allclose(
        [score.probabilities for score in answer.scores][:2], [[0.75, 0.25], [0.0, 1.0]], atol=1e-6
    )
    assert answer.tokens == 7


def test_a_text_that_decode_refuses_is_the_clients_mistake_and_harms_nobody(project: Path) -> None:
    refused, failed, fine = ask(own_code(project), ["fine", "why?"], ["oh!"], ["fine"])
    assert type(refused) is InvalidRequestError
    assert str(refused) == "texts[1] is refused: questions are not read here: send statements."
    assert type(failed) is InferenceError
    assert "decode of own_handler:Handler failed with KeyError" in str(failed)
    assert isinstance(fine, Answer)


def test_a_handler_takes_no_token_ids(project: Path) -> None:
    (refused,) = ask(own_code(project), TokenBatch.from_rows([[1, 2]]))
    assert type(refused) is InvalidRequestError
    assert "send texts" in str(refused)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("[length > self.limit for", "[1 for length in inputs[1:]]  # for", "0 answers for 1 inputs"),
        ("return [length > self.limit for length in inputs]", "return None", "0 answers for 1 inputs"),
        ("self.batches.append(", "open('/no/file')  # (", "predict of own_handler:Handler failed with File"),
        ("[0.75, 0.25]", "[0.75, 0.75]", "2 probabilities that add up to 1"),
        ("[0.75, 0.25]", "[1.0]", "2 probabilities"),
        ("[0.75, 0.25]", "[float('nan'), 1.0]", "2 probabilities"),
        ("[0.75, 0.25]", "'positive'", "2 probabilities"),
        ("[0.75, 0.25]", "None", "2 probabilities"),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore")
def test_what_a_handler_gets_wrong_is_said_and_stops_nothing(project: Path, old: str, new: str, sentence: str) -> None:
    assert old in GOOD
    (error,) = ask(own_code(project, GOOD.replace(old, new)), ["text"])
    assert type(error) is InferenceError
    assert sentence in str(error)


@pytest.mark.parametrize(
    ("source", "spec", "sentence"),
    [
        (GOOD, "own_handler", "names no class"),
        (GOOD, "own_handler:Other", "no class 'Other'"),
        (GOOD, "absent_module:Handler", "no module 'absent_module'"),
        ("import absent_library\n" + GOOD, "own_handler:Handler", "no module 'absent_library'"),
        ("1 / 0\n" + GOOD, "own_handler:Handler", "ZeroDivisionError"),
        (GOOD.replace("def encode", "def encoded"), "own_handler:Handler", "has no encode"),
        (GOOD.replace("limit.txt", "no.txt"), "own_handler:Handler", "setup of own_handler:Handler failed"),
        (GOOD.replace("labels =", "names ="), "own_handler:Handler", "two or more different labels"),
        (GOOD.replace('("short", "long")', '("same", "same")'), "own_handler:Handler", "two or more different labels"),
    ],
)
def test_a_handler_that_cannot_be_served_is_refused_with_the_reason(
    project: Path, source: str, spec: str, sentence: str
) -> None:
    with pytest.raises(ConfigError, match=sentence):
        own_code(project, source, spec).load()


def test_a_handler_is_a_variant_like_any_other(project: Path) -> None:
    plane = DataPlane(ServingSettings(), no_engine)
    plane.serve_also(own_code(project))
    plane.load([])
    variant = plane.pick(None)
    assert (variant.ref, variant.labels, variant.pads) == ("lengths@1", ("short", "long"), False)
    assert variant.engine.artifact.format.value == "python"
    with pytest.raises(ModelNotServedError):
        plane.pick("other")
    with pytest.raises(InferenceError):
        variant.engine.infer({})


def test_objects_are_cut_and_put_together_like_token_batches() -> None:
    objects = Objects(["a", "b", "c"])
    assert Objects.concatenate([objects.slice(2, 3), objects.slice(0, 2)]).items == ["c", "a", "b"]
    assert (len(objects), objects.tokens, objects.offsets.tolist()) == (3, 3, [0, 1, 2, 3])
