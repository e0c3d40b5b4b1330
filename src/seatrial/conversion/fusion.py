"""Folds the layers of a transformer into fused operators of ONNX Runtime."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seatrial.conversion.graph import saves_externally
from seatrial.conversion.torch_export import Architecture

__all__ = ["Fusion", "fuse"]


@dataclass(frozen=True, slots=True, eq=False)
class Fusion:
    """A graph after fusion.

    Attributes:
        optimized: the graph, as ONNX Runtime's optimizer holds it.
        attention: how many attention layers became one operator each.
        layers: how many the model has.
    """

    optimized: Any
    attention: int
    layers: int

    @property
    def complete(self) -> bool:
        """Whether every attention layer is fused."""
        return 0 < self.layers == self.attention

    @property
    def share(self) -> str:
        """How many of the layers are fused, in words."""
        return f"{self.attention} of {self.layers} attention layers"

    def save(self, path: Path) -> None:
        """Writes the graph; the optimizer also states the domain of the operators it put in."""
        self.optimized.save_model_to_file(str(path), use_external_data_format=saves_externally(self.optimized.model))


def fuse(path: Path, architecture: Architecture) -> Fusion:
    """Fuses an exported graph, as far as its architecture fits.

    The attention mask stays as it comes in, one number for each token. The optimizer's own choice for BERT counts
    the ones instead and takes them to stand on the left: a client that pads on the left would get wrong answers.
    """
    from onnxruntime.transformers import optimizer
    from onnxruntime.transformers.fusion_options import AttentionMaskFormat, FusionOptions

    options = FusionOptions("bert")
    options.attention_mask_format = AttentionMaskFormat.AttentionMask
    optimized = optimizer.optimize_model(
        str(path),
        model_type="bert",
        num_heads=architecture.heads,
        hidden_size=architecture.hidden,
        optimization_options=options,
        opt_level=0,  # ONNX Runtime's own optimizations depend on the machine: they belong to the load, not the file
    )
    attention = int(optimized.get_fused_operator_statistics()["Attention"])
    return Fusion(optimized, attention, architecture.layers)
