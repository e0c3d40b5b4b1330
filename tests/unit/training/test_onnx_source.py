from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from seatrial.bundle import TOKENIZER_FILE, Bundle
from seatrial.domain.errors import UnsupportedModelError, UsageError
from seatrial.domain.model import ArtifactFormat, Precision
from seatrial.training.adopt import Declared, adopt
from tests import builders

Edit = Callable[[Any], object]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A good graph with its tokenizer, under the name somebody gave it."""
    directory = tmp_path / "brought"
    directory.mkdir()
    builders.onnx_graph(directory / "sentiment.onnx")
    (directory / TOKENIZER_FILE).write_text(builders.tokenizer_json(), "utf-8")
    (directory / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 64}), "utf-8")
    return directory


def _take(path: Path, **declared: Any) -> Bundle:
    return adopt(str(path), model_name="tiny", destination=path.parent / "bundle", declared=Declared(**declared))


def _edit(directory: Path, edit: Edit) -> Path:
    model = onnx.load(str(directory / "sentiment.onnx"))
    edit(model)
    onnx.save(model, str(directory / "sentiment.onnx"))
    return directory / "sentiment.onnx"


def test_the_graph_is_taken_over_byte_for_byte(directory: Path) -> None:
    bundle = _take(directory / "sentiment.onnx", labels=builders.LABELS)
    bundle.verify()
    assert set(bundle.manifest.files) == {"model.onnx", TOKENIZER_FILE}
    assert bundle.onnx_path.read_bytes() == (directory / "sentiment.onnx").read_bytes()
    assert not bundle.onnx_path.is_symlink()
    assert bundle.manifest.artifact.format is ArtifactFormat.ONNX
    assert bundle.manifest.artifact.precision is Precision.FP32
    assert bundle.manifest.artifact.profile == "source"
    assert bundle.manifest.signature == builders.SIGNATURE


def test_a_directory_with_the_graph_inside(directory: Path) -> None:
    (directory / "sentiment.onnx").rename(directory / "model.onnx")
    assert _take(directory).manifest.signature.labels == ("LABEL_0", "LABEL_1")


def test_labels_length_and_padding_come_from_the_configuration_beside_it(directory: Path) -> None:
    config = {"id2label": {"0": "bad", "1": "good"}, "max_position_embeddings": 40, "pad_token_id": 1}
    (directory / "config.json").write_text(json.dumps(config), "utf-8")
    manifest = _take(directory / "sentiment.onnx").manifest
    assert manifest.signature.labels == ("bad", "good")
    assert manifest.signature.max_tokens == 40
    assert manifest.pad_token_id == 1
    assert "config.json" in manifest.files


def test_a_limit_nobody_knows_must_be_declared(directory: Path) -> None:
    (directory / "tokenizer_config.json").unlink()
    with pytest.raises(UsageError, match="say it with max_tokens"):
        _take(directory / "sentiment.onnx")
    assert _take(directory / "sentiment.onnx", max_tokens=20).manifest.signature.max_tokens == 20


def test_labels_must_be_one_a_class(directory: Path) -> None:
    with pytest.raises(UsageError, match="give one a class"):
        _take(directory / "sentiment.onnx", labels=("a", "b", "c"))


def test_external_files_keep_their_names(directory: Path) -> None:
    path = directory / "sentiment.onnx"
    onnx.save(
        onnx.load(str(path)),
        str(path),
        save_as_external_data=True,
        location="weights.bin",
        size_threshold=100,
    )
    bundle = _take(path)
    assert {"model.onnx", "weights.bin"} <= set(bundle.manifest.files)
    onnxruntime.InferenceSession(str(bundle.onnx_path))
    (directory / "weights.bin").unlink()
    with pytest.raises(UnsupportedModelError, match=r"needs the file weights\.bin beside it"):
        _take(path)


@pytest.mark.parametrize("location", ["../weights.bin", "/etc/hostname", "manifest.json"])
def test_external_files_outside_or_in_our_places_are_refused(directory: Path, location: str) -> None:
    def point(model: Any) -> None:
        tensor = model.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=location)

    model = onnx.load(str(directory / "sentiment.onnx"))
    point(model)
    (directory / "sentiment.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(UnsupportedModelError, match="external data in"):
        _take(directory / "sentiment.onnx")


@pytest.mark.parametrize("content", [b"", b"This is text, renamed.\n", b"a" * 1000, b"\x08\x09"])
def test_a_file_that_is_no_graph(directory: Path, content: bytes) -> None:
    (directory / "sentiment.onnx").write_bytes(content)
    with pytest.raises(UnsupportedModelError, match="no valid ONNX file"):
        _take(directory / "sentiment.onnx")


def test_a_truncated_graph(directory: Path) -> None:
    path = directory / "sentiment.onnx"
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(UnsupportedModelError, match="no valid ONNX file"):
        _take(path)


def _add_token_types(model: Any) -> None:
    model.graph.input.append(helper.make_tensor_value_info("token_type_ids", TensorProto.INT64, ["batch", "sequence"]))


def _add_output(model: Any) -> None:
    model.graph.output.append(helper.make_tensor_value_info("count", TensorProto.FLOAT, ["batch", 1]))


def _rename_output(model: Any) -> None:
    model.graph.node[-1].output[0] = model.graph.output[0].name = "scores"


def _rename_input(model: Any) -> None:
    model.graph.input[0].name = model.graph.node[0].input[1] = "tokens"


def _dynamic_classes(model: Any) -> None:
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_param = "classes"


def _narrow_ids(model: Any) -> None:
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.INT32


def _one_class(model: Any) -> None:
    for tensor in model.graph.initializer:
        if tensor.name == "weights":
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor)[:, :1], "weights"))
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 1


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (_add_token_types, "wants token_type_ids"),
        (_add_output, "with one output named logits"),
        (_rename_output, "gives scores: export it"),
        (_rename_input, "takes attention_mask, tokens"),
        (_dynamic_classes, "fixed number of classes"),
        (_narrow_ids, "input_ids must be INT64"),
        (_one_class, "at least two classes"),
    ],
)
def test_a_graph_of_another_form(directory: Path, edit: Edit, message: str) -> None:
    with pytest.raises(UnsupportedModelError, match=message):
        _take(_edit(directory, edit))


def _fixed_batch(model: Any) -> None:
    for value in model.graph.input:
        value.type.tensor_type.shape.dim[0].dim_value = 1


def _short_positions(model: Any) -> None:
    """Adds nothing, but reads a table of 16 positions by the length of the input, as a position embedding does."""
    nodes = model.graph.node
    last = nodes[-1]
    last.output[0] = "unshifted"
    nodes.extend(
        [
            helper.make_node("Shape", ["input_ids"], ["length"], start=1, end=2),
            helper.make_node("Sub", ["length", "one"], ["position"]),
            helper.make_node("Gather", ["positions", "position"], ["nothing"]),
            helper.make_node("Add", ["unshifted", "nothing"], ["logits"]),
        ]
    )
    model.graph.initializer.extend(
        [
            numpy_helper.from_array(np.zeros((16, 2), np.float32), "positions"),
            numpy_helper.from_array(np.array([1], np.int64), "one"),
        ]
    )


@pytest.mark.parametrize(
    ("edit", "asked"), [(_fixed_batch, "2 texts"), (_short_positions, "1 texts of up to 64 tokens")]
)
def test_a_graph_that_cannot_answer(directory: Path, edit: Edit, asked: str) -> None:
    with pytest.raises(UnsupportedModelError, match=f"The model fails on {asked}"):
        _take(_edit(directory, edit))


def test_a_graph_that_answers_with_nan(directory: Path) -> None:
    builders.onnx_graph(directory / "sentiment.onnx", nan=True)
    with pytest.raises(UnsupportedModelError, match="not finite"):
        _take(directory / "sentiment.onnx")


def test_the_positions_of_a_short_graph_are_enough_when_so_declared(directory: Path) -> None:
    assert _take(_edit(directory, _short_positions), max_tokens=16).manifest.signature.max_tokens == 16


def test_an_operator_nobody_knows(directory: Path) -> None:
    def replace_operator(model: Any) -> None:
        model.graph.node[-1].op_type = "Zork"
        model.graph.node[-1].domain = "org.example"
        model.opset_import.append(helper.make_opsetid("org.example", 1))

    with pytest.raises(UnsupportedModelError, match="cannot be loaded by ONNX Runtime"):
        _take(_edit(directory, replace_operator))


def test_a_quantised_graph_is_called_one(directory: Path) -> None:
    def quantise(model: Any) -> None:
        model.graph.node[-1].output[0] = "exact"
        model.graph.node.append(helper.make_node("DynamicQuantizeLinear", ["exact"], ["q", "scale", "zero"]))
        model.graph.node.append(helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["logits"]))

    assert _take(_edit(directory, quantise)).manifest.artifact.precision is Precision.INT8


def test_a_graph_of_half_precision_weights_is_called_one(directory: Path) -> None:
    def halve(model: Any) -> None:
        for tensor in model.graph.initializer:
            if tensor.name == "weights":
                tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), "half"))
        model.graph.node.insert(0, helper.make_node("Cast", ["half"], ["weights"], to=TensorProto.FLOAT))

    assert _take(_edit(directory, halve)).manifest.artifact.precision is Precision.FP16
