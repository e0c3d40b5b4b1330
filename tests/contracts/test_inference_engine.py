"""What every InferenceEngine must do: the contract between artifacts and everything that runs them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seatrial.bundle import Bundle
from seatrial.conversion.onnx_export import OnnxExporter
from seatrial.domain.errors import InferenceError
from seatrial.domain.inference import FloatArray, InferenceEngine, IntArray, TokenBatch
from seatrial.domain.model import Layout
from seatrial.engines.fake_engine import FakeEngine
from seatrial.engines.loading import load_engine
from seatrial.text.labels import softmax
from seatrial.text.layout import lay_out
from tests.builders import LABELS, VOCABULARY, onnx_bundle, source_bundle
from tests.conversions import converted, damaged, set_weight

KINDS = ("fake", "fake packed", "onnx", "onnx packed", "torch")
Open = Callable[[], InferenceEngine]


def unpadded_bundle(directory: Path, *, nan: bool = False) -> Bundle:
    """The unpadded export of the tiny BERT."""
    fp32 = converted(OnnxExporter("unpadded"), source_bundle(directory / "source"), directory / "unpadded")

    def spoil(model: Any) -> None:
        set_weight(model, "_head_modules.1.bias", lambda bias: np.full_like(bias, np.nan if nan else 0))

    return damaged(fp32, directory / "bundle", spoil)


def bundle_of(kind: str, directory: Path) -> Bundle:
    if kind == "onnx packed":
        return unpadded_bundle(directory)
    return (onnx_bundle if kind == "onnx" else source_bundle)(directory / "bundle")


@pytest.fixture(scope="module", params=KINDS)
def open_engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Open:
    if request.param.startswith("fake"):
        layout = Layout.PACKED if request.param == "fake packed" else Layout.PADDED
        return lambda: FakeEngine(layout=layout)
    bundle = bundle_of(request.param, tmp_path_factory.mktemp(request.param.replace(" ", "-")))
    return lambda: load_engine(bundle)


@pytest.fixture(scope="module")
def engine(open_engine: Open) -> InferenceEngine:
    return open_engine()


def ragged(texts: int, seed: int = 0) -> TokenBatch:
    rng = np.random.default_rng(seed)
    return TokenBatch.from_rows(
        [[2, *rng.integers(5, len(VOCABULARY), rng.integers(1, 30)).tolist(), 3] for _ in range(texts)]
    )


def laid_out(engine: InferenceEngine, texts: int, seed: int = 0) -> dict[str, IntArray]:
    return lay_out(ragged(texts, seed), engine.artifact.layout)


@pytest.mark.parametrize("texts", [1, 2, 17])
def test_gives_one_row_of_float32_logits_a_text(engine: InferenceEngine, texts: int) -> None:
    logits = engine.infer(laid_out(engine, texts)).logits
    assert logits.shape == (texts, len(LABELS))
    assert logits.dtype == np.float32


def test_a_text_gets_the_same_answer_in_any_company(engine: InferenceEngine) -> None:
    batch = ragged(24)
    layout = engine.artifact.layout
    together = engine.infer(lay_out(batch, layout)).logits
    alone = np.concatenate([engine.infer(lay_out(batch.take([i]), layout)).logits for i in range(len(batch))])
    np.testing.assert_allclose(softmax(together), softmax(alone), atol=1e-5)
    assert len(np.unique(alone.round(4), axis=0)) > 4, "answers that are all alike prove nothing"


def test_is_deterministic(engine: InferenceEngine) -> None:
    inputs = laid_out(engine, 5)
    np.testing.assert_array_equal(engine.infer(inputs).logits, engine.infer(inputs).logits)


def test_eight_threads_at_once_get_their_own_answers(engine: InferenceEngine) -> None:
    expected = [engine.infer(laid_out(engine, 4, seed)).logits for seed in range(8)]
    start = threading.Barrier(8)

    def ask(seed: int) -> list[FloatArray]:
        start.wait(timeout=30)
        return [engine.infer(laid_out(engine, 4, seed)).logits for _ in range(10)]

    with ThreadPoolExecutor(8) as pool:
        for seed, answers in enumerate(pool.map(ask, range(8))):
            for answer in answers:
                np.testing.assert_allclose(answer, expected[seed], atol=1e-5)


SPOILED_PADDED: dict[str, Callable[[IntArray, IntArray], dict[str, Any]]] = {
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


SPOILED_PACKED: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "nothing": lambda tensors: {},
    "no rows": lambda tensors: {name: tensor for name, tensor in tensors.items() if name != "cell_texts"},
    "one too many": lambda tensors: {**tensors, "attention_mask": tensors["input_ids"]},
    "floats": lambda tensors: {**tensors, "input_ids": tensors["input_ids"].astype(np.float32)},
    "int32": lambda tensors: {**tensors, "text_slots": tensors["text_slots"].astype(np.int32)},
    "fewer positions": lambda tensors: {**tensors, "position_ids": tensors["position_ids"][:-1]},
    "fewer cells": lambda tensors: {**tensors, "cell_texts": tensors["cell_texts"][:, :-1]},
    "other rows": lambda tensors: {**tensors, "slot_texts": np.vstack([tensors["slot_texts"]] * 2)},
    "not flat": lambda tensors: {**tensors, "input_ids": tensors["input_ids"][None]},
    "no texts": lambda tensors: {**tensors, "first_tokens": tensors["first_tokens"][:0], "text_slots": np.arange(0)},
    "no tokens": lambda tensors: {name: tensor[:0] for name, tensor in tensors.items()},
}


def test_wrong_inputs_are_an_inference_error_and_harm_nothing(engine: InferenceEngine) -> None:
    inputs = laid_out(engine, 3)
    if engine.artifact.layout is Layout.PACKED:
        spoiled = {how: spoil(inputs) for how, spoil in SPOILED_PACKED.items()}
    else:
        spoiled = {how: spoil(*inputs.values()) for how, spoil in SPOILED_PADDED.items()}
    for how, tensors in spoiled.items():
        try:
            engine.infer(tensors)
        except InferenceError:
            assert engine.infer(inputs).logits.shape == (3, 2), how
        else:
            pytest.fail(f"{how} was taken")


def test_the_tensors_of_another_layout_are_refused(engine: InferenceEngine) -> None:
    other = Layout.PADDED if engine.artifact.layout is Layout.PACKED else Layout.PACKED
    with pytest.raises(InferenceError, match="takes"):
        engine.infer(lay_out(ragged(3), other))


def test_a_closed_engine_refuses_and_may_be_closed_again(open_engine: Open) -> None:
    engine = open_engine()
    engine.infer(laid_out(engine, 1))
    engine.close()
    engine.close()
    with pytest.raises(InferenceError, match="closed"):
        engine.infer(laid_out(engine, 1))


def test_names_the_artifact_it_loaded(engine: InferenceEngine) -> None:
    assert engine.artifact.sha256


def poisoned(kind: str, directory: Path) -> InferenceEngine:
    """An engine whose logits are not finite."""
    if kind.startswith("fake"):
        layout = Layout.PACKED if kind == "fake packed" else Layout.PADDED
        return FakeEngine(script=lambda _call: float("nan"), layout=layout)
    if kind == "onnx":
        return load_engine(onnx_bundle(directory / "bundle", nan=True))
    if kind == "onnx packed":
        return load_engine(unpadded_bundle(directory, nan=True))
    engine = load_engine(source_bundle(directory / "bundle"))
    engine._runtime.classifier.weight.data[0, 0] = float("nan")  # type: ignore[attr-defined]
    return engine


@pytest.mark.parametrize("kind", KINDS)
def test_logits_that_are_not_finite_are_an_inference_error(kind: str, tmp_path: Path) -> None:
    engine = poisoned(kind, tmp_path)
    with pytest.raises(InferenceError, match="not finite"):
        engine.infer(laid_out(engine, 2))


@pytest.mark.parametrize("kind", ["onnx", "onnx packed", "torch"])
def test_a_token_the_vocabulary_lacks_is_an_inference_error(kind: str, tmp_path: Path) -> None:
    engine = load_engine(bundle_of(kind, tmp_path))
    inputs = laid_out(engine, 2)
    inputs["input_ids"].flat[0] = 10**6
    with pytest.raises(InferenceError, match="failed"):
        engine.infer(inputs)


@pytest.mark.parametrize("kind", ["onnx", "onnx packed", "torch"])
def test_no_number_of_threads_means_one_a_core(kind: str, tmp_path: Path) -> None:
    bundle = bundle_of(kind, tmp_path)
    engine = load_engine(bundle, threads=0)
    try:
        assert engine.infer(laid_out(engine, 3)).logits.shape == (3, 2)
    finally:
        load_engine(bundle, threads=1)  # PyTorch's number is the whole process's
