"""From a source bundle to an fp32 ONNX graph.

Two profiles, both of opset 17, which is asserted of the result:

``portable``
    What PyTorch's TorchScript exporter writes: only operators of ONNX itself, so that any runtime can read it.
``ort-fused``
    The same graph with whole attention layers, embeddings and normalisations folded into operators of ONNX Runtime
    (domain ``com.microsoft``). Other runtimes cannot read it.

Why not PyTorch's newer exporter (``dynamo=True``) for ``portable``: asked for opset 17 it writes 18 and lets a version
converter go back. With PyTorch 2.13 that happens to hold for BERT, but gives ModernBERT a graph that no runtime loads
(a Split that keeps an attribute of opset 18), takes 7 to 10 seconds where TorchScript takes 1 or 2, and its graphs
never fuse.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seatrial.bundle import TOKENIZER_FILE, Bundle
from seatrial.conversion.converter import TAKEN_OVER, Conversion
from seatrial.conversion.fusion import fuse
from seatrial.conversion.graph import GRAPH_FILE, check_graph, copy_graph, describe_graph, save_graph
from seatrial.conversion.guard import quiet, tool_errors
from seatrial.conversion.torch_export import Architecture, export_graph
from seatrial.domain.errors import ConversionError, UnsupportedModelError
from seatrial.domain.model import ArtifactFormat, Precision

__all__ = ["ORT_FUSED", "PORTABLE", "OnnxExporter"]

ORT_FUSED = "ort-fused"
PORTABLE = "portable"


class OnnxExporter:
    """Exports a PyTorch source to ONNX; takes a source that is ONNX already as it is, once it is checked.

    Args:
        profile: ``auto`` fuses where every attention layer fits a fused operator.
    """

    parent: str | None = None
    precision = Precision.FP32

    def __init__(self, profile: str) -> None:
        self._profile = profile

    @property
    def options(self) -> Mapping[str, Any]:
        """The profile asked for."""
        return {"profile": self._profile}

    def convert(self, parent: Bundle, directory: Path) -> Conversion:
        """Writes model.onnx and, where the source has one, tokenizer.json; see `Converter`."""
        manifest = parent.manifest
        if manifest.artifact.precision is not Precision.FP32:
            raise UnsupportedModelError(
                f"{manifest.ref} is stored as {manifest.artifact.precision}: register an fp32 export of the model."
            )
        with tool_errors(f"export {manifest.ref} to ONNX", directory, 2 * manifest.size_bytes):
            if TOKENIZER_FILE in manifest.files:
                shutil.copyfile(parent.tokenizer_path, directory / TOKENIZER_FILE)
            if manifest.artifact.format is ArtifactFormat.ONNX:
                return _take_over(parent, directory)
            return self._export(parent, directory)

    def _export(self, parent: Bundle, directory: Path) -> Conversion:
        graph = directory / GRAPH_FILE
        with tempfile.TemporaryDirectory(dir=directory) as scratch, quiet():
            plain = Path(scratch) / "plain.onnx"
            architecture = export_graph(parent, plain)
            # Before fusion: the checker cannot look inside fused operators.
            check_graph(plain, parent.manifest.signature)
            profile, reason = self._choose_and_save(plain, architecture, graph)
        check_graph(graph, parent.manifest.signature)
        lineage = {
            "exporter": "torch.onnx (TorchScript)",
            "architecture": architecture.model_type,
            "profile_asked": self._profile,
            "profile_reason": reason,
            **describe_graph(graph),
        }
        return Conversion(profile, lineage)

    def _choose_and_save(self, plain: Path, architecture: Architecture, graph: Path) -> tuple[str, str]:
        """Writes the graph in the profile that fits; returns the profile and why."""
        reason = "Asked for by conversion.profile."
        if self._profile != PORTABLE:
            fusion = fuse(plain, architecture)
            reason = f"{fusion.share} fit fused operators of ONNX Runtime."
            if fusion.complete:
                fusion.save(graph)
                return ORT_FUSED, reason
            if self._profile == ORT_FUSED:
                raise ConversionError(
                    f"Only {fusion.share} of {architecture.model_type!r} fit fused operators of ONNX Runtime: "
                    f"set conversion.profile to {PORTABLE!r} or 'auto'."
                )
        import onnx

        save_graph(onnx.load(str(plain)), graph)
        return PORTABLE, reason


def _take_over(parent: Bundle, directory: Path) -> Conversion:
    copy_graph(parent, directory)
    graph = directory / GRAPH_FILE
    check_graph(graph, parent.manifest.signature, opset=None)
    reason = "The source is an ONNX graph: taken over byte for byte, whatever its opset."
    return Conversion(TAKEN_OVER, {"exporter": "none", "profile_reason": reason, **describe_graph(graph)})
