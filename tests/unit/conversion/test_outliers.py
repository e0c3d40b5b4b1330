from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from seatrial.bundle import TOKENIZER_FILE, Bundle, write_bundle
from seatrial.conversion.outliers import outlier_channels, separate_outliers
from seatrial.conversion.quantize import DynamicQuantizer
from seatrial.domain.model import ArtifactFormat
from tests import builders
from tests.conversions import answers_of, converted, parity_rows

CHANNELS = 64
LOUD = 17


def graph_with_a_loud_channel(path: Path, loudness: float) -> None:
    """A product of embeddings: ordinary values, but one channel of one token exceeds 5, and is made loud."""
    rng = np.random.default_rng(0)
    table = rng.normal(size=(len(builders.VOCABULARY), CHANNELS)).clip(-4, 4).astype(np.float32)
    table[builders.VOCABULARY["good"], LOUD] = 6
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["embedded"], "embed"),
        helper.make_node("Sub", ["embedded", "five"], ["above"], "sub"),
        helper.make_node("Relu", ["above"], ["excess"], "relu"),
        helper.make_node("Mul", ["excess", "loudness"], ["loud"], "loud"),
        helper.make_node("Add", ["embedded", "loud"], ["entry"], "add"),
        helper.make_node("MatMul", ["entry", "weight"], ["seen"], "product"),
        helper.make_node("Cast", ["attention_mask"], ["mask"], "cast", to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "last"], ["mask3"], "unsqueeze"),
        helper.make_node("Mul", ["seen", "mask3"], ["kept"], "mul"),
        helper.make_node("ReduceSum", ["kept", "middle"], ["logits"], "sum", keepdims=0),
    ]
    constants = {
        "table": table,
        "weight": rng.normal(size=(CHANNELS, 2)).astype(np.float32),
        "five": np.float32(5).reshape(1),
        "loudness": np.float32(loudness).reshape(1),
        "last": np.array([2], np.int64),
        "middle": np.array([1], np.int64),
    }
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "sequence"])
        for name in ("input_ids", "attention_mask")
    ]
    graph = helper.make_graph(
        nodes,
        "loud",
        inputs,
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 2])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), str(path))


def bundle_with_a_loud_channel(directory: Path, loudness: float) -> Bundle:
    def fill(where: Path) -> None:
        graph_with_a_loud_channel(where / "model.onnx", loudness)
        (where / TOKENIZER_FILE).write_text(builders.tokenizer_json(), "utf-8")

    return write_bundle(directory, builders.manifest("source", ArtifactFormat.ONNX), fill)


def answer(model: Any) -> Any:
    input_ids = np.arange(len(builders.VOCABULARY))[None].repeat(2, axis=0)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return session.run(None, {"input_ids": input_ids, "attention_mask": np.ones_like(input_ids)})[0]


def test_a_loud_channel_gets_a_product_of_its_own_and_answers_stay(tmp_path: Path) -> None:
    bundle = bundle_with_a_loud_channel(tmp_path / "loud", 500)
    model = onnx.load(str(bundle.onnx_path))
    before = answer(model)
    outliers = separate_outliers(model, bundle, tmp_path)
    assert (outliers.channels, outliers.products) == ({"product": [LOUD]}, ("product/outliers",))
    assert sum(node.op_type == "MatMul" for node in model.graph.node) == 2
    onnx.checker.check_model(model, full_check=True)
    assert answer(model) == pytest.approx(before, rel=1e-5)


def test_an_ordinary_graph_stays_as_it_is(tmp_path: Path) -> None:
    bundle = bundle_with_a_loud_channel(tmp_path / "ordinary", 0)
    model = onnx.load(str(bundle.onnx_path))
    assert separate_outliers(model, bundle, tmp_path).channels == {}
    assert model == onnx.load(str(bundle.onnx_path))


def test_quantising_without_the_separation_would_lose_the_quiet_channels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = bundle_with_a_loud_channel(tmp_path / "loud", 500)
    rows = parity_rows(bundle, 300)

    def error(name: str) -> float:
        made = converted(DynamicQuantizer("on"), bundle, tmp_path / name)
        return float(np.abs(answers_of(made, rows) - rows.source_logits).mean())

    separated = error("separated")
    monkeypatch.setattr("seatrial.conversion.outliers.PEAK_RATIO", np.inf)
    assert error("together") > 3 * separated


def test_no_more_channels_are_taken_out_than_pays() -> None:
    values = np.random.default_rng(0).normal(size=(100_000, 32)).astype(np.float32)
    values[np.arange(8), np.arange(8)] = np.linspace(200, 900, 8)
    assert outlier_channels(values).tolist() == [6, 7], "two of 32: the loudest"


def test_a_few_channels_are_never_split(tmp_path: Path) -> None:
    values = np.ones((1000, 8), np.float32)
    values[3, 3] = 1e6
    assert outlier_channels(values).tolist() == []


def test_silence_and_noise_without_end_have_no_outliers() -> None:
    assert outlier_channels(np.zeros((10, 64), np.float32)).tolist() == []
    assert outlier_channels(np.full((10, 64), np.nan, np.float32)).tolist() == []
