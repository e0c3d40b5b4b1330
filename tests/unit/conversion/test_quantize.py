from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from seatrial.bundle import Bundle
from seatrial.config import ConversionSettings
from seatrial.conversion import quantize
from seatrial.conversion.onnx_export import OnnxExporter
from seatrial.conversion.parity import ParityRows
from seatrial.conversion.quantize import DynamicQuantizer, needs_reduced_range
from tests.conversions import answers_of, converted


@pytest.fixture(scope="module", params=["ort-fused", "portable"])
def fp32(request: pytest.FixtureRequest, source: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return converted(OnnxExporter(request.param), source, tmp_path_factory.mktemp("fp32"))


@pytest.fixture(scope="module")
def int8(fp32: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return converted(DynamicQuantizer("on"), fp32, tmp_path_factory.mktemp("int8"))


def weights(bundle: Bundle) -> list[Any]:
    return [numpy_helper.to_array(tensor) for tensor in onnx.load(str(bundle.onnx_path)).graph.initializer]


def test_no_large_table_of_floats_is_left(int8: Bundle) -> None:
    left = [array.shape for array in weights(int8) if array.dtype == np.float32 and array.ndim == 2]
    assert left == []
    found = int8.manifest.lineage["operators"]
    assert found["MatMulInteger"] >= 6
    assert "EmbedLayerNormalization" not in found
    assert "Attention" not in found


def test_the_lineage_says_how(int8: Bundle, fp32: Bundle) -> None:
    lineage = int8.manifest.lineage
    assert lineage["opset"] == 17
    assert (lineage["reduce_range"], lineage["reduce_range_asked"]) == (True, "on")
    assert lineage["size_ratio"] == pytest.approx(
        int8.onnx_path.stat().st_size / fp32.onnx_path.stat().st_size, abs=1e-3
    )
    assert int8.manifest.artifact.profile == fp32.manifest.artifact.profile


def test_few_labels_change(int8: Bundle, rows: ParityRows) -> None:
    assert (answers_of(int8, rows).argmax(axis=1) == rows.truth).mean() > 0.95


def test_a_reduced_range_has_seven_bits(fp32: Bundle, int8: Bundle, tmp_path: Path) -> None:
    full = converted(DynamicQuantizer("off"), fp32, tmp_path)

    def widest(bundle: Bundle) -> int:
        return max(int(np.abs(array.astype(int)).max()) for array in weights(bundle) if array.dtype == np.int8)

    assert (widest(int8), widest(full)) == (64, 127)


def test_auto_goes_by_the_processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantize, "_CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    assert DynamicQuantizer("auto").options == {"reduce_range": True}, "an unknown x86 is taken for an old one"
    (tmp_path / "cpuinfo").write_text("flags\t\t: avx2 avx512f avx512_vnni\n", "utf-8")
    assert DynamicQuantizer("auto").options == {"reduce_range": False}
    assert DynamicQuantizer("on").options == {"reduce_range": True}


@pytest.mark.parametrize("flag", ["avx512_vnni", "avx_vnni", "amx_int8"])
def test_a_processor_that_adds_in_32_bits_needs_no_reduced_range(flag: str) -> None:
    assert not needs_reduced_range("x86_64", f"flags : fpu avx2 {flag}\n")
    assert needs_reduced_range("AMD64", f"flags : fpu avx2 not_{flag}\n")


def test_every_setting_has_a_meaning() -> None:
    for word in ConversionSettings.model_fields["reduce_range"].annotation.__args__:  # type: ignore[union-attr]
        assert isinstance(DynamicQuantizer(word).options["reduce_range"], bool)
