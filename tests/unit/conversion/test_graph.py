from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from seatrial.bundle import Bundle, file_entries
from seatrial.conversion import graph
from seatrial.conversion.graph import check_graph, copy_graph, describe_graph, save_graph
from seatrial.domain.errors import BundleMissingFileError, ConversionError
from seatrial.domain.model import Layout, Signature
from tests import builders


@pytest.fixture
def path(tmp_path: Path) -> Path:
    builders.onnx_graph(tmp_path / "model.onnx")
    return tmp_path / "model.onnx"


def rename_output(model: Any) -> None:
    model.graph.output[0].name = model.graph.node[-1].output[0] = "scores"


def rename_input(model: Any) -> None:
    model.graph.input[1].name = "mask_of_attention"
    for node in model.graph.node:
        node.input[:] = ["mask_of_attention" if name == "attention_mask" else name for name in node.input]


def fix_sequence(model: Any) -> None:
    for value in model.graph.input:
        value.type.tensor_type.shape.dim[1].dim_value = 128


def fix_batch(model: Any) -> None:
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 1


def take_int32(model: Any) -> None:
    for value in model.graph.input:
        value.type.tensor_type.elem_type = onnx.TensorProto.INT32


def state_opset_18(model: Any) -> None:
    model.opset_import[0].version = 18


def draw(model: Any) -> None:
    noise = onnx.helper.make_node("RandomUniformLike", ["mask3"], ["noise"], "noise")
    add = onnx.helper.make_node("Add", ["mask3", "noise"], ["noisy"])
    model.graph.node.insert(3, noise)
    model.graph.node.insert(4, add)
    model.graph.node[5].input[1] = "noisy"


def drop_out(model: Any, training: bool = True) -> None:
    model.graph.initializer.extend(
        [
            onnx.numpy_helper.from_array(np.array(0.5, np.float32), "ratio"),
            onnx.numpy_helper.from_array(np.array(training), "training"),
        ]
    )
    model.graph.node.insert(1, onnx.helper.make_node("Dropout", ["embedded", "ratio", "training"], ["dropped"], "drop"))
    next(node for node in model.graph.node if node.op_type == "Mul").input[0] = "dropped"


def lose_a_node(model: Any) -> None:
    del model.graph.node[0]


def test_a_sound_graph_passes(path: Path) -> None:
    check_graph(path, builders.SIGNATURE)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (rename_output, "scores"),
        (rename_input, "mask_of_attention"),
        (fix_sequence, r"\[-1, 128\]"),
        (fix_batch, r"\[1, -1\]"),
        (take_int32, "where input_ids INT64"),
        (state_opset_18, "opset 18, not 17"),
        (draw, r"random numbers \(RandomUniformLike noise\)"),
        (drop_out, r"random numbers \(Dropout drop\)"),
        (lose_a_node, "no valid ONNX graph"),
    ],
)
def test_a_graph_that_is_not_what_it_should_be_is_refused(
    path: Path, damage: Callable[[Any], None], message: str
) -> None:
    model = onnx.load(str(path))
    damage(model)
    onnx.save(model, str(path))
    with pytest.raises(ConversionError, match=message):
        check_graph(path, builders.SIGNATURE)


def test_a_graph_of_another_layout_is_refused(path: Path) -> None:
    with pytest.raises(ConversionError, match=r"position_ids INT64 \[-1\].* is expected"):
        check_graph(path, builders.SIGNATURE, layout=Layout.PACKED)


def test_dropout_that_is_off_is_let_be(path: Path) -> None:
    model = onnx.load(str(path))
    drop_out(model, training=False)
    onnx.save(model, str(path))
    check_graph(path, builders.SIGNATURE)


def test_the_number_of_labels_counts(path: Path) -> None:
    with pytest.raises(ConversionError, match=r"logits FP32 \[-1, 3\] is expected"):
        check_graph(path, Signature(("a", "b", "c"), 64))


def test_any_opset_will_do_where_none_is_asked_for(path: Path) -> None:
    model = onnx.load(str(path))
    state_opset_18(model)
    onnx.save(model, str(path))
    check_graph(path, builders.SIGNATURE, opset=None)
    assert describe_graph(path)["opset"] == 18


@pytest.mark.parametrize(
    "content", [b"", b"This is text.\n" * 50, bytes(range(256)) * 20], ids=["empty", "text", "bytes"]
)
def test_a_file_that_is_no_graph_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(ConversionError, match="no valid ONNX graph"):
        check_graph(path, builders.SIGNATURE)


def test_the_facts_of_a_graph(path: Path) -> None:
    facts = describe_graph(path)
    assert facts["opsets"] == {"ai.onnx": 17}
    assert facts["operators"]["ReduceSum"] == 2


def test_large_weights_go_beside_the_graph_and_are_copied_with_it(
    tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph, "_EXTERNAL_ABOVE_BYTES", 100)
    model = onnx.load(str(path))
    weights = onnx.numpy_helper.to_array(model.graph.initializer[0])
    model.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(np.tile(weights, (20, 1)), "weights"))
    (tmp_path / "large").mkdir()
    save_graph(model, tmp_path / "large" / "model.onnx")
    check_graph(tmp_path / "large" / "model.onnx", builders.SIGNATURE)

    bundle = bundle_of(tmp_path / "large")
    assert set(bundle.manifest.files) == {"model.onnx", "model.onnx.data"}
    (tmp_path / "copy").mkdir()
    copy_graph(bundle, tmp_path / "copy")
    assert file_entries(tmp_path / "copy") == bundle.manifest.files


def test_external_data_outside_the_bundle_is_refused(
    tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph, "_EXTERNAL_ABOVE_BYTES", 100)
    model = onnx.load(str(path))
    model.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(np.zeros((600, 2), np.float32), "weights"))
    (tmp_path / "large").mkdir()
    save_graph(model, tmp_path / "large" / "model.onnx")
    (tmp_path / "large" / "model.onnx.data").unlink()
    with pytest.raises(ConversionError, match=r"'model.onnx.data', which is not in its bundle"):
        copy_graph(bundle_of(tmp_path / "large"), tmp_path)


def test_a_bundle_without_a_graph_has_none_to_copy(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(BundleMissingFileError, match=r"model\.onnx"):
        copy_graph(bundle_of(tmp_path / "empty"), tmp_path)


def bundle_of(directory: Path) -> Bundle:
    from dataclasses import replace

    from seatrial.domain.model import ArtifactFormat

    manifest = builders.manifest("source", ArtifactFormat.ONNX)
    return Bundle(directory, replace(manifest, files=file_entries(directory)))
