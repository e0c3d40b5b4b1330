"""From a source bundle to an fp32 ONNX graph.

Three profiles, all of opset 17, which is asserted of the result:

``unpadded``
    For the BERT family: linear layers on packed tokens, padding only inside attention, and a last layer that computes
    only what the head reads (see `unpadded_graph`). Operators of ONNX itself. The only one laid out as
    ``Layout.PACKED``, and the fastest by far.
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
from seatrial.conversion.families import read_encoder
from seatrial.conversion.fusion import fuse
from seatrial.conversion.graph import GRAPH_FILE, check_graph, copy_graph, describe_graph, save_graph
from seatrial.conversion.guard import quiet, tool_errors
from seatrial.conversion.torch_export import export_graph, load_classifier
from seatrial.conversion.unpadded_export import export_unpadded
from seatrial.domain.errors import ConversionError, UnsupportedModelError
from seatrial.domain.model import ArtifactFormat, Layout, Precision

__all__ = ["ORT_FUSED", "PORTABLE", "UNPADDED", "OnnxExporter"]

UNPADDED = "unpadded"
ORT_FUSED = "ort-fused"
PORTABLE = "portable"
_AUTO = "auto"


class OnnxExporter:
    """Exports a PyTorch source to ONNX; takes a source that is ONNX already as it is, once it is checked.

    Args:
        profile: ``auto`` takes ``unpadded`` where the architecture is one it is built for, else ``ort-fused`` where
            every attention layer fits a fused operator, else ``portable``.
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
            model = load_classifier(parent)
            profile, reason = self._write(model, parent, Path(scratch) / "plain.onnx", graph)
        layout = Layout.PACKED if profile == UNPADDED else Layout.PADDED
        check_graph(graph, parent.manifest.signature, layout=layout)
        lineage = {
            "exporter": "torch.onnx (TorchScript)",
            "architecture": model.config.model_type,
            "profile_asked": self._profile,
            "profile_reason": reason,
            **describe_graph(graph),
        }
        return Conversion(profile, layout, lineage)

    def _write(self, model: Any, parent: Bundle, plain: Path, graph: Path) -> tuple[str, str]:
        """Writes the graph in the best profile that fits, by way of `plain`; returns the profile and why."""
        reasons = []
        if self._profile in (_AUTO, UNPADDED):
            try:
                export_unpadded(read_encoder(model), plain)
            except UnsupportedModelError as error:
                reasons.append(str(error))
                self._require_choice(UNPADDED, reasons)
            else:
                _save(plain, graph)
                return UNPADDED, f"The unpadded graph is built for {type(model).__name__}."
        architecture = export_graph(model, parent.manifest.pad_token_id, plain)
        # Before fusion: the checker cannot look inside fused operators.
        check_graph(plain, parent.manifest.signature)
        if self._profile != PORTABLE:
            fusion = fuse(plain, architecture)
            reasons.append(f"{fusion.share} fit fused operators of ONNX Runtime.")
            if fusion.complete:
                fusion.save(graph)
                return ORT_FUSED, " ".join(reasons)
            self._require_choice(ORT_FUSED, reasons)
        _save(plain, graph)
        return PORTABLE, " ".join(reasons) or "Asked for by conversion.profile."

    def _require_choice(self, profile: str, reasons: list[str]) -> None:
        """Goes on to the next profile only where there is a choice."""
        if self._profile == profile:
            raise ConversionError(f"{reasons[-1]} Set conversion.profile to {PORTABLE!r} or {_AUTO!r}.")


def _save(plain: Path, graph: Path) -> None:
    import onnx

    save_graph(onnx.load(str(plain)), graph)


def _take_over(parent: Bundle, directory: Path) -> Conversion:
    copy_graph(parent, directory)
    graph = directory / GRAPH_FILE
    check_graph(graph, parent.manifest.signature, opset=None)
    reason = "The source is an ONNX graph: taken over byte for byte, whatever its opset."
    lineage = {"exporter": "none", "profile_reason": reason, **describe_graph(graph)}
    return Conversion(TAKEN_OVER, Layout.PADDED, lineage)
