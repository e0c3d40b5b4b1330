from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
import transformers

from seatrial.bundle import TOKENIZER_FILE, Bundle, write_bundle
from seatrial.conversion import graph, torch_export
from seatrial.conversion.onnx_export import OnnxExporter
from seatrial.conversion.parity import ParityRows
from seatrial.conversion.quantize import DynamicQuantizer
from seatrial.domain.errors import ConversionError, UnsupportedModelError
from seatrial.domain.model import ArtifactFormat, Precision
from tests import builders
from tests.conversions import answers_of, converted, damaged, onnx_source, source_of

SIZES: dict[str, Any] = {
    "vocab_size": len(builders.VOCABULARY),
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "initializer_range": 0.3,
}


@pytest.fixture(scope="module")
def fused(source: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return converted(OnnxExporter("ort-fused"), source, tmp_path_factory.mktemp("fused"))


@pytest.fixture(scope="module")
def portable(source: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return converted(OnnxExporter("portable"), source, tmp_path_factory.mktemp("portable"))


def operators(bundle: Bundle) -> dict[str, int]:
    found: dict[str, int] = bundle.manifest.lineage["operators"]
    return found


def test_bert_is_fused_whole_and_the_lineage_says_so(fused: Bundle) -> None:
    lineage = fused.manifest.lineage
    assert fused.manifest.artifact.profile == "ort-fused"
    assert lineage["profile_reason"] == "2 of 2 attention layers fit fused operators of ONNX Runtime."
    assert lineage["opsets"] == {"ai.onnx": 17, "com.microsoft": 1}
    found = operators(fused)
    assert (found["EmbedLayerNormalization"], found["Attention"]) == (1, 2)
    assert (found["SkipLayerNormalization"], found["BiasGelu"]) == (4, 2)


def test_a_portable_graph_has_only_operators_of_onnx(portable: Bundle) -> None:
    model = onnx.load(str(portable.onnx_path))
    assert {node.domain for node in model.graph.node} == {""}
    assert portable.manifest.lineage["opsets"] == {"ai.onnx": 17}
    assert portable.manifest.lineage["profile_reason"] == "Asked for by conversion.profile."


@pytest.mark.parametrize("profile", ["fused", "portable"])
def test_inputs_outputs_and_dynamic_axes(profile: str, request: pytest.FixtureRequest) -> None:
    session = onnxruntime.InferenceSession(str(request.getfixturevalue(profile).onnx_path))
    assert {node.name: (node.type, node.shape) for node in session.get_inputs()} == {
        "input_ids": ("tensor(int64)", ["batch", "sequence"]),
        "attention_mask": ("tensor(int64)", ["batch", "sequence"]),
    }
    assert [(node.name, node.shape) for node in session.get_outputs()] == [("logits", ["batch", 2])]


@pytest.mark.parametrize("profile", ["fused", "portable"])
def test_it_answers_as_pytorch_does(profile: str, request: pytest.FixtureRequest, rows: ParityRows) -> None:
    answers = answers_of(request.getfixturevalue(profile), rows)
    assert np.abs(answers - rows.source_logits).max() < 1e-4


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (2, 16), (3, 33), (16, 64)])
@pytest.mark.parametrize("side", ["right", "left"])
def test_shapes_and_padding_on_either_side(fused: Bundle, source: Bundle, shape: tuple[int, int], side: str) -> None:
    """The V2 protocol lets a client send tensors of its own, and some tokenizers pad on the left."""
    rng = np.random.default_rng(0)
    input_ids = rng.integers(0, len(builders.VOCABULARY), shape)
    attention_mask = np.ones(shape, np.int64)
    if shape[0] > 1:
        padded = slice(shape[1] // 2, None) if side == "right" else slice(0, shape[1] // 2)
        attention_mask[1, padded] = 0
    session = onnxruntime.InferenceSession(str(fused.onnx_path))
    answer = session.run(["logits"], {"input_ids": input_ids, "attention_mask": attention_mask})[0]
    model = transformers.AutoModelForSequenceClassification.from_pretrained(source.directory).eval()
    with torch.no_grad():
        expected = model(torch.from_numpy(input_ids), torch.from_numpy(attention_mask)).logits.numpy()
    assert np.abs(answer - expected).max() < 1e-4


@pytest.mark.parametrize(
    "config",
    [
        lambda: transformers.RobertaConfig(max_position_embeddings=66, pad_token_id=1, **SIZES),
        lambda: transformers.ElectraConfig(max_position_embeddings=64, embedding_size=16, **SIZES),
        lambda: transformers.DistilBertConfig(
            vocab_size=len(builders.VOCABULARY), max_position_embeddings=64, dim=32, n_layers=2, n_heads=4,
            hidden_dim=64, initializer_range=0.3,
        ),
    ],
    ids=["roberta", "electra", "distilbert"],
)  # fmt: skip
def test_other_architectures_of_the_family_fuse_too(config: Callable[[], Any], tmp_path: Path) -> None:
    made = converted(OnnxExporter("ort-fused"), source_of(tmp_path / "source", config()), tmp_path / "made")
    assert operators(made)["Attention"] == 2


def test_an_architecture_that_does_not_fit_is_portable_and_the_lineage_says_why(tmp_path: Path) -> None:
    config = transformers.MPNetConfig(max_position_embeddings=66, **SIZES)  # relative positions
    source = source_of(tmp_path / "source", config)
    made = converted(OnnxExporter("auto"), source, tmp_path / "made")
    assert made.manifest.artifact.profile == "portable"
    assert made.manifest.lineage["profile_reason"] == (
        "The unpadded graph is not built for MPNetForSequenceClassification. "
        "0 of 2 attention layers fit fused operators of ONNX Runtime."
    )
    assert made.manifest.lineage["opsets"] == {"ai.onnx": 17}
    with pytest.raises(ConversionError, match=r"0 of 2 attention layers fit .*'portable' or 'auto'"):
        converted(OnnxExporter("ort-fused"), source, tmp_path / "forced")


def test_a_module_that_stays_in_training_mode_is_refused(
    source: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stubborn(torch.nn.Dropout):  # type: ignore[misc]  # torch is not followed by the type checker
        def train(self, mode: bool = True) -> Stubborn:
            return self

    def load(bundle: Bundle) -> Any:
        model = transformers.AutoModelForSequenceClassification.from_pretrained(bundle.directory)
        model.dropout = Stubborn(0.5)
        return model

    monkeypatch.setattr(torch_export, "_load", load)
    with pytest.raises(ConversionError, match=r"dropout of tiny@\?/source stays in training mode"):
        converted(OnnxExporter("auto"), source, tmp_path / "made")


def test_weights_that_are_absent_are_not_made_up(source: Bundle, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    shutil.copytree(source.directory, tmp_path / "headless")
    weights = load_file(tmp_path / "headless" / "model.safetensors")
    save_file(
        {name: tensor for name, tensor in weights.items() if not name.startswith("classifier")},
        tmp_path / "headless" / "model.safetensors",
        {"format": "pt"},
    )
    with pytest.raises(UnsupportedModelError, match=r"lacks weights.*classifier"):
        converted(OnnxExporter("auto"), Bundle(tmp_path / "headless", source.manifest), tmp_path / "made")


def test_an_onnx_source_is_taken_over_byte_for_byte(tmp_path: Path) -> None:
    source = onnx_source(tmp_path / "source")
    made = converted(OnnxExporter("auto"), source, tmp_path / "made")
    assert made.manifest.artifact.profile == "source"
    assert made.manifest.files == source.manifest.files


def test_an_onnx_source_of_another_opset_is_taken_too(tmp_path: Path) -> None:
    def raise_opset(model: Any) -> None:
        model.opset_import[0].version = 18

    source = damaged(onnx_source(tmp_path / "source"), tmp_path / "newer", raise_opset)
    made = converted(OnnxExporter("auto"), source, tmp_path / "made")
    assert made.manifest.lineage["opset"] == 18
    assert converted(DynamicQuantizer("on"), made, tmp_path / "int8").manifest.lineage["opset"] == 18


def test_a_text_file_is_no_onnx_source(tmp_path: Path) -> None:
    def fill(where: Path) -> None:
        (where / "model.onnx").write_text("I am no graph.\n", "utf-8")

    source = write_bundle(tmp_path / "source", builders.manifest("source", ArtifactFormat.ONNX, version=None), fill)
    with pytest.raises(ConversionError, match=r"model\.onnx is no ONNX graph"):
        converted(OnnxExporter("auto"), source, tmp_path / "made")


def test_a_quantised_source_is_no_fp32_artifact(tmp_path: Path) -> None:
    source = onnx_source(tmp_path / "source")
    artifact = replace(source.manifest.artifact, precision=Precision.INT8)
    int8 = Bundle(source.directory, replace(source.manifest, artifact=artifact))
    with pytest.raises(UnsupportedModelError, match="stored as int8"):
        converted(OnnxExporter("auto"), int8, tmp_path / "made")


@pytest.mark.parametrize("profile", ["unpadded", "ort-fused", "portable"])
def test_weights_too_large_for_one_file_lie_beside_the_graph(
    profile: str, source: Bundle, tmp_path: Path, rows: ParityRows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph, "_EXTERNAL_ABOVE_BYTES", 1000)
    fp32 = converted(OnnxExporter(profile), source, tmp_path / "fp32")
    assert set(fp32.manifest.files) == {"model.onnx", "model.onnx.data", TOKENIZER_FILE}
    assert np.abs(answers_of(fp32, rows) - rows.source_logits).max() < 1e-4
    int8 = converted(DynamicQuantizer("on"), fp32, tmp_path / "int8")
    assert (answers_of(int8, rows).argmax(axis=1) == rows.truth).mean() > 0.95


def test_nothing_is_said_on_the_way(source: Bundle, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    fp32 = converted(OnnxExporter("auto"), source, tmp_path / "fp32")
    converted(DynamicQuantizer("on"), fp32, tmp_path / "int8")
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")
