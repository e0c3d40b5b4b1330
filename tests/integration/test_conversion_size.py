"""At the size of a real encoder: opset, fusion and the size of the quantised file, on random weights."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.bundle import TOKENIZER_FILE, Bundle, write_bundle
from seatrial.conversion.onnx_export import OnnxExporter
from seatrial.conversion.quantize import DynamicQuantizer
from seatrial.domain.model import ArtifactFormat, Layout
from tests import builders
from tests.conversions import converted


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The architecture of MiniLM-L6: 22.7 million parameters, half of them embeddings."""
    import torch
    import transformers

    torch.manual_seed(0)
    config = transformers.BertConfig(
        hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536, num_labels=2
    )
    model = transformers.BertForSequenceClassification(config)
    assert sum(parameter.numel() for parameter in model.parameters()) > 22_000_000

    def fill(where: Path) -> None:
        model.save_pretrained(where)
        (where / TOKENIZER_FILE).write_text(builders.tokenizer_json(), "utf-8")

    manifest = builders.manifest("source", ArtifactFormat.HUGGINGFACE, version=None)
    return write_bundle(tmp_path_factory.mktemp("source") / "bundle", manifest, fill)


@pytest.mark.slow
def test_a_small_encoder_is_fused_whole_and_int8_takes_a_third_of_its_bytes(source: Bundle, tmp_path: Path) -> None:
    fp32 = converted(OnnxExporter("ort-fused"), source, tmp_path / "fp32")
    lineage = fp32.manifest.lineage
    assert lineage["opsets"] == {"ai.onnx": 17, "com.microsoft": 1}
    operators = lineage["operators"]
    assert [operators[name] for name in ("EmbedLayerNormalization", "Attention", "SkipLayerNormalization")] == [
        1,
        6,
        12,
    ]
    int8 = converted(DynamicQuantizer("auto"), fp32, tmp_path / "int8")
    assert int8.manifest.size_bytes <= 0.35 * fp32.manifest.size_bytes
    assert int8.manifest.lineage["operators"]["QAttention"] == 6


@pytest.mark.slow
def test_without_padding_int8_takes_a_third_of_the_bytes_too(source: Bundle, tmp_path: Path) -> None:
    fp32 = converted(OnnxExporter("auto"), source, tmp_path / "fp32")
    assert fp32.manifest.artifact.layout is Layout.PACKED
    assert fp32.manifest.lineage["opsets"] == {"ai.onnx": 17}
    int8 = converted(DynamicQuantizer("auto"), fp32, tmp_path / "int8")
    assert int8.manifest.artifact.layout is Layout.PACKED
    assert int8.manifest.size_bytes <= 0.35 * fp32.manifest.size_bytes
    assert int8.manifest.lineage["operators"]["MatMulInteger"] >= 25, "four products a layer, five in the last"
    assert set(fp32.manifest.files) == {"model.onnx", "model.onnx.data", TOKENIZER_FILE}
