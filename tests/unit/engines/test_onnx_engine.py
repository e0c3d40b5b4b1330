"""What the ONNX engine refuses at load, and how it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seatrial.bundle import TOKENIZER_FILE, Bundle, write_bundle
from seatrial.domain.errors import BundleAlteredError, BundleMissingFileError, UnsupportedModelError
from seatrial.domain.inference import TokenBatch
from seatrial.domain.model import ArtifactFormat, Layout, Signature
from seatrial.engines.loading import load_engine
from seatrial.engines.onnx_engine import OnnxEngine
from seatrial.text.layout import lay_out
from tests.builders import GOOD, SIGNATURE, VOCABULARY, manifest, onnx_bundle, onnx_graph, tokenizer_json

INPUTS = lay_out(TokenBatch.from_rows([[2, VOCABULARY[GOOD[0]], 3]]), Layout.PADDED)


def bundle_of(directory: Path, fill: Callable[[Path], Any], signature: Signature = SIGNATURE) -> Bundle:
    def complete(where: Path) -> None:
        fill(where / "model.onnx")
        (where / TOKENIZER_FILE).write_text(tokenizer_json(), "utf-8")

    return write_bundle(directory, manifest("onnx-fp32", ArtifactFormat.ONNX, signature=signature), complete)


def edited(edit: Callable[[Any], None]) -> Callable[[Path], None]:
    """The hand-made graph after a change to its protobuf."""

    def fill(path: Path) -> None:
        import onnx

        onnx_graph(path)
        model = onnx.load(str(path))
        edit(model.graph)
        onnx.save(model, str(path))

    return fill


def test_a_text_file_in_the_place_of_the_graph_is_refused(tmp_path: Path) -> None:
    bundle = bundle_of(tmp_path / "bundle", lambda path: path.write_text("I am no graph.", "utf-8"))
    with pytest.raises(UnsupportedModelError, match="no graph that ONNX Runtime"):
        load_engine(bundle)


def test_a_graph_overwritten_after_the_bundle_was_made_is_seen_by_its_digest(tmp_path: Path) -> None:
    bundle = onnx_bundle(tmp_path / "bundle")
    bundle.onnx_path.write_text("I am no graph.", "utf-8")
    with pytest.raises(BundleAlteredError):
        Bundle.open(bundle.directory)


def test_a_truncated_graph_is_refused(tmp_path: Path) -> None:
    def fill(path: Path) -> None:
        onnx_graph(path)
        path.write_bytes(path.read_bytes()[:200])

    with pytest.raises(UnsupportedModelError):
        load_engine(bundle_of(tmp_path / "bundle", fill))


def test_a_bundle_without_a_graph_is_refused(tmp_path: Path) -> None:
    bundle = bundle_of(tmp_path / "bundle", lambda _path: None)
    with pytest.raises(BundleMissingFileError, match=r"model\.onnx"):
        load_engine(bundle)


def test_another_number_of_labels_than_the_signature_is_refused(tmp_path: Path) -> None:
    bundle = bundle_of(tmp_path / "bundle", onnx_graph, Signature(("a", "b", "c"), 64))
    with pytest.raises(UnsupportedModelError, match=r"shape \(2, 2\).*3 labels"):
        load_engine(bundle)


def test_other_inputs_than_the_signature_are_refused(tmp_path: Path) -> None:
    def rename(graph: Any) -> None:
        graph.input[1].name = "mask_in"
        graph.node[1].input[0] = "mask_in"

    with pytest.raises(UnsupportedModelError, match="mask_in"):
        load_engine(bundle_of(tmp_path / "bundle", edited(rename)))


def test_a_padded_graph_in_the_place_of_a_packed_one_is_refused(tmp_path: Path) -> None:
    bundle = onnx_bundle(tmp_path / "bundle")
    artifact = replace(bundle.manifest.artifact, layout=Layout.PACKED)
    with pytest.raises(UnsupportedModelError, match=r"where a packed graph of its signature takes \['cell_texts'"):
        load_engine(Bundle(bundle.directory, replace(bundle.manifest, artifact=artifact)))


def test_a_graph_without_logits_is_refused(tmp_path: Path) -> None:
    def rename(graph: Any) -> None:
        graph.output[0].name = "scores"
        graph.node[-1].output[0] = "scores"

    with pytest.raises(UnsupportedModelError, match="no output 'logits'"):
        load_engine(bundle_of(tmp_path / "bundle", edited(rename)))


def test_a_graph_for_one_text_only_is_refused(tmp_path: Path) -> None:
    def fix(graph: Any) -> None:
        for tensor in graph.input:
            tensor.type.tensor_type.shape.dim[0].Clear()
            tensor.type.tensor_type.shape.dim[0].dim_value = 1

    with pytest.raises(UnsupportedModelError, match="cannot run two short texts"):
        load_engine(bundle_of(tmp_path / "bundle", edited(fix)))


def test_the_second_output_is_given_as_the_pooled_representation(tmp_path: Path) -> None:
    def add(graph: Any) -> None:
        from onnx import TensorProto, helper

        graph.output.append(helper.make_tensor_value_info("pooled", TensorProto.FLOAT, ["batch", 2]))
        graph.node.append(helper.make_node("Identity", ["total"], ["pooled"]))

    output = load_engine(bundle_of(tmp_path / "bundle", edited(add))).infer(INPUTS)
    assert output.pooled is not None
    np.testing.assert_allclose(output.pooled, output.logits * 3)  # the total of three tokens against their mean


def test_weights_in_an_external_file_are_found(tmp_path: Path) -> None:
    def fill(path: Path) -> None:
        import onnx

        onnx_graph(path)
        onnx.save(
            onnx.load(str(path)),
            str(path),
            save_as_external_data=True,
            all_tensors_to_one_file=True,
            location="model.onnx.data",
            size_threshold=100,
        )

    bundle = bundle_of(tmp_path / "external", fill)
    assert "model.onnx.data" in bundle.manifest.files
    inside = load_engine(onnx_bundle(tmp_path / "inside"))
    np.testing.assert_array_equal(load_engine(bundle).infer(INPUTS).logits, inside.infer(INPUTS).logits)


def test_an_external_file_that_is_missing_is_refused(tmp_path: Path) -> None:
    def fill(path: Path) -> None:
        import onnx

        onnx_graph(path)
        onnx.save(onnx.load(str(path)), str(path), save_as_external_data=True, location="weights", size_threshold=100)
        (path.parent / "weights").unlink()

    with pytest.raises(UnsupportedModelError):
        load_engine(bundle_of(tmp_path / "bundle", fill))


def test_threads_change_nothing_in_the_answer(tmp_path: Path) -> None:
    bundle = onnx_bundle(tmp_path / "bundle")
    one, two = OnnxEngine(bundle, threads=1), OnnxEngine(bundle, threads=2)
    np.testing.assert_array_equal(one.infer(INPUTS).logits, two.infer(INPUTS).logits)
