"""What every InferenceEngine must do: the contract between artifacts and everything that runs them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seatrial.domain.errors import InferenceError
from seatrial.domain.inference import FloatArray, InferenceEngine, IntArray, TokenBatch
from seatrial.domain.model import Layout
from seatrial.engines.fake_engine import FakeEngine
from seatrial.engines.loading import load_engine
from seatrial.text.labels import softmax
from seatrial.text.layout import lay_out
from tests.builders import LABELS, VOCABULARY, onnx_bundle, source_bundle

KINDS = ("fake", "onnx", "torch")
Open = Callable[[], InferenceEngine]


@pytest.fixture(scope="module", params=KINDS)
def open_engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Open:
    if request.param == "fake":
        return FakeEngine
    build = onnx_bundle if request.param == "onnx" else source_bundle
    bundle = build(tmp_path_factory.mktemp(request.param) / "bundle")
    return lambda: load_engine(bundle)


@pytest.fixture(scope="module")
def engine(open_engine: Open) -> InferenceEngine:
    return open_engine()


def ragged(texts: int, seed: int = 0) -> TokenBatch:
    rng = np.random.default_rng(seed)
    return TokenBatch.from_rows(
        [[2, *rng.integers(5, len(VOCABULARY), rng.integers(1, 30)).tolist(), 3] for _ in range(texts)]
    )


def laid_out(texts: int, seed: int = 0) -> dict[str, IntArray]:
    return lay_out(ragged(texts, seed), Layout.PADDED)


@pytest.mark.parametrize("texts", [1, 2, 17])
def test_gives_one_row_of_float32_logits_a_text(engine: InferenceEngine, texts: int) -> None:
    logits = engine.infer(laid_out(texts)).logits
    assert logits.shape == (texts, len(LABELS))
    assert logits.dtype == np.float32


def test_a_text_gets_the_same_answer_in_any_company(engine: InferenceEngine) -> None:
    batch = ragged(24)
    together = engine.infer(lay_out(batch, Layout.PADDED)).logits
    alone = np.concatenate([engine.infer(lay_out(batch.take([i]), Layout.PADDED)).logits for i in range(len(batch))])
    np.testing.assert_allclose(softmax(together), softmax(alone), atol=1e-5)
    assert len(np.unique(alone.round(4), axis=0)) > 4, "answers that are all alike prove nothing"


def test_is_deterministic(engine: InferenceEngine) -> None:
    np.testing.assert_array_equal(engine.infer(laid_out(5)).logits, engine.infer(laid_out(5)).logits)


def test_eight_threads_at_once_get_their_own_answers(engine: InferenceEngine) -> None:
    expected = [engine.infer(laid_out(4, seed)).logits for seed in range(8)]
    start = threading.Barrier(8)

    def ask(seed: int) -> list[FloatArray]:
        start.wait(timeout=30)
        return [engine.infer(laid_out(4, seed)).logits for _ in range(10)]

    with ThreadPoolExecutor(8) as pool:
        for seed, answers in enumerate(pool.map(ask, range(8))):
            for answer in answers:
                np.testing.assert_allclose(answer, expected[seed], atol=1e-5)


SPOILED: dict[str, Callable[[IntArray, IntArray], dict[str, Any]]] = {
    "nothing": lambda ids, mask: {},
    "no mask": lambda ids, mask: {"input_ids": ids},
    "one too many": lambda ids, mask: {"input_ids": ids, "attention_mask": mask, "token_type_ids": mask},
    "another name": lambda ids, mask: {"input_ids": ids, "mask": mask},
    "floats": lambda ids, mask: {"input_ids": ids.astype(np.float32), "attention_mask": mask},
    "int32": lambda ids, mask: {"input_ids": ids.astype(np.int32), "attention_mask": mask},
    "other lengths": lambda ids, mask: {"input_ids": ids, "attention_mask": mask[:, :-1]},
    "flat": lambda ids, mask: {"input_ids": ids.ravel(), "attention_mask": mask.ravel()},
    "no texts": lambda ids, mask: {"input_ids": ids[:0], "attention_mask": mask[:0]},
    "no tokens": lambda ids, mask: {"input_ids": ids[:, :0], "attention_mask": mask[:, :0]},
}


@pytest.mark.parametrize("how", SPOILED)
def test_wrong_inputs_are_an_inference_error_and_harm_nothing(engine: InferenceEngine, how: str) -> None:
    with pytest.raises(InferenceError):
        engine.infer(SPOILED[how](*laid_out(3).values()))
    assert engine.infer(laid_out(3)).logits.shape == (3, 2)


def test_a_closed_engine_refuses_and_may_be_closed_again(open_engine: Open) -> None:
    engine = open_engine()
    engine.infer(laid_out(1))
    engine.close()
    engine.close()
    with pytest.raises(InferenceError, match="closed"):
        engine.infer(laid_out(1))


def test_names_the_artifact_it_loaded(engine: InferenceEngine) -> None:
    assert engine.artifact.layout is Layout.PADDED
    assert engine.artifact.sha256


def poisoned(kind: str, directory: Path) -> tuple[InferenceEngine, dict[str, IntArray]]:
    """An engine and inputs whose logits are not finite."""
    if kind == "fake":
        return FakeEngine(script=lambda _call: float("nan")), laid_out(2)
    if kind == "onnx":
        return load_engine(onnx_bundle(directory / "bundle", nan=True)), laid_out(2)
    engine = load_engine(source_bundle(directory / "bundle"))
    engine._runtime.classifier.weight.data[0, 0] = float("nan")  # type: ignore[attr-defined]
    return engine, laid_out(2)


@pytest.mark.parametrize("kind", KINDS)
def test_logits_that_are_not_finite_are_an_inference_error(kind: str, tmp_path: Path) -> None:
    engine, inputs = poisoned(kind, tmp_path)
    with pytest.raises(InferenceError, match="not finite"):
        engine.infer(inputs)


@pytest.mark.parametrize("kind", ["onnx", "torch"])
def test_a_token_the_vocabulary_lacks_is_an_inference_error(kind: str, tmp_path: Path) -> None:
    engine = load_engine((onnx_bundle if kind == "onnx" else source_bundle)(tmp_path / "bundle"))
    inputs = laid_out(2)
    inputs["input_ids"][0, 0] = 10**6
    with pytest.raises(InferenceError, match="failed"):
        engine.infer(inputs)


@pytest.mark.parametrize("kind", ["onnx", "torch"])
def test_no_number_of_threads_means_one_a_core(kind: str, tmp_path: Path) -> None:
    bundle = (onnx_bundle if kind == "onnx" else source_bundle)(tmp_path / "bundle")
    engine = load_engine(bundle, threads=0)
    try:
        assert engine.infer(laid_out(3)).logits.shape == (3, 2)
    finally:
        load_engine(bundle, threads=1)  # PyTorch's number is the whole process's
