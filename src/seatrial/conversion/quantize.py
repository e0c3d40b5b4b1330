"""From an fp32 graph to a dynamically quantised one: weights in 8 bits in the file, activations at run time.

What is quantised, and what each choice does (MiniLM-L6 fine-tuned on reviews, 2,188 rows, a processor without VNNI):

- Matrix products and attention, each output channel by itself, signed.
- Embedding tables too: they are half of such a small model. Without them the file has 65 % of the fp32 bytes, with
  them 25 %, and the labels that change are as many.
- Not the few channels with very large values: see `outliers`. With those quantised 49 labels change, and 50 with the
  company in the batch; without them 23 and 18, at the same size and 5 % more time.

A batch is quantised as a whole, hence an answer depends on the company a text keeps; the check
``conversion.composition`` measures how much.
"""

from __future__ import annotations

import platform
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seatrial.bundle import TOKENIZER_FILE, Bundle
from seatrial.conversion.converter import ONNX_FP32, TAKEN_OVER, Conversion
from seatrial.conversion.graph import GRAPH_FILE, OPSET, check_graph, describe_graph, save_graph, saves_externally
from seatrial.conversion.guard import quiet, tool_errors
from seatrial.conversion.outliers import Outliers, separate_outliers
from seatrial.domain.model import Precision

__all__ = ["DynamicQuantizer", "needs_reduced_range"]

_OPERATORS = ["MatMul", "Attention", "Gather", "EmbedLayerNormalization"]
_WIDE_ENOUGH = frozenset({"avx512_vnni", "avx_vnni", "amx_int8"})
_CPUINFO = Path("/proc/cpuinfo")


class DynamicQuantizer:
    """Quantises an fp32 ONNX artifact.

    Args:
        reduce_range: 7-bit weights: ``on``, ``off``, or ``auto`` by the processor that converts, since an artifact
            is best made where it is served.
    """

    parent: str | None = ONNX_FP32
    precision = Precision.INT8

    def __init__(self, reduce_range: str) -> None:
        self._asked = reduce_range
        self._reduce_range = _reduces_here() if reduce_range == "auto" else reduce_range == "on"

    @property
    def options(self) -> Mapping[str, Any]:
        """Whether weights have 7 bits."""
        return {"reduce_range": self._reduce_range}

    def convert(self, parent: Bundle, directory: Path) -> Conversion:
        """Writes model.onnx and, where the parent has one, tokenizer.json; see `Converter`."""
        manifest = parent.manifest
        graph = directory / GRAPH_FILE
        with tool_errors(f"quantise {manifest.ref}", directory, 3 * manifest.size_bytes):
            if TOKENIZER_FILE in manifest.files:
                shutil.copyfile(parent.tokenizer_path, directory / TOKENIZER_FILE)
            with tempfile.TemporaryDirectory(dir=directory) as scratch, quiet():
                outliers = self._quantise(parent, graph, Path(scratch))
            opset = None if manifest.artifact.profile == TAKEN_OVER else OPSET
            check_graph(graph, manifest.signature, layout=manifest.artifact.layout, opset=opset)
        size_bytes = sum(path.stat().st_size for path in directory.glob(f"{GRAPH_FILE}*"))
        lineage = {
            "quantiser": "onnxruntime.quantization.quantize_dynamic",
            "per_channel": True,
            "reduce_range": self._reduce_range,
            "reduce_range_asked": self._asked,
            "weight_type": "QInt8",
            "fp32_channels": dict(outliers.channels),
            "size_ratio": round(size_bytes / _graph_bytes(parent), 4),
            **describe_graph(graph),
        }
        return Conversion(manifest.artifact.profile, manifest.artifact.layout, lineage)

    def _quantise(self, parent: Bundle, graph: Path, scratch: Path) -> Outliers:
        """Writes the quantised graph; returns what of it stays in fp32."""
        import onnx
        from onnxruntime.quantization import QuantType, quantize_dynamic

        model = onnx.load(str(parent.onnx_path))
        for number, node in enumerate(model.graph.node):
            node.name = node.name or f"node_{number}"  # the quantiser takes exceptions by name
        outliers = separate_outliers(model, parent, scratch)
        separated = scratch / "separated.onnx"  # the quantiser writes beside what it reads
        externally = saves_externally(model)  # asked first: saving takes the weights out of the model
        save_graph(model, separated)
        quantize_dynamic(
            str(separated),
            str(graph),
            op_types_to_quantize=_OPERATORS,
            nodes_to_exclude=list(outliers.products),
            per_channel=True,
            reduce_range=self._reduce_range,
            weight_type=QuantType.QInt8,
            use_external_data_format=externally,
            # Shape inference stops at fused operators: what it leaves without a type is float.
            extra_options={"MatMulConstBOnly": True, "DefaultTensorType": onnx.TensorProto.FLOAT},
        )
        return outliers


def needs_reduced_range(machine: str, cpuinfo: str) -> bool:
    """Whether 8-bit weights would overflow: x86 without VNNI or AMX adds two products in 16 bits and saturates.

    Args:
        machine: as the operating system names the processor family.
        cpuinfo: the text of /proc/cpuinfo, empty where there is none.

    Source: ONNX Runtime documentation, "Quantize ONNX models", section "When to use reduce-range".

    Example:
        >>> needs_reduced_range("x86_64", "flags : fma avx2"), needs_reduced_range("x86_64", "flags : avx2 avx_vnni")
        (True, False)
        >>> needs_reduced_range("aarch64", "Features : asimddp")
        False
    """
    if machine.lower() not in ("x86_64", "amd64"):
        return False
    return not _WIDE_ENOUGH & set(cpuinfo.split())


def _reduces_here() -> bool:
    try:
        cpuinfo = _CPUINFO.read_text("utf-8", "replace")
    except OSError:
        cpuinfo = ""
    return needs_reduced_range(platform.machine(), cpuinfo)


def _graph_bytes(bundle: Bundle) -> int:
    return bundle.manifest.size_bytes - (
        bundle.manifest.files[TOKENIZER_FILE].size_bytes if TOKENIZER_FILE in bundle.manifest.files else 0
    )
