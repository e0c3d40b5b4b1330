"""From a classifier of the BERT family to an ONNX graph without padding."""

from __future__ import annotations

from pathlib import Path

from seatrial.conversion.families import Encoder
from seatrial.conversion.graph import OPSET
from seatrial.domain.inference import TokenBatch
from seatrial.domain.model import Layout
from seatrial.text.layout import AXES, lay_out

__all__ = ["export_unpadded"]

_EXAMPLE = TokenBatch.from_rows([[1, 2, 3, 4, 5], [1, 2], [1, 2, 3], [1, 2, 3, 4]])
"""Texts that share rows, one that has its own, and an empty cell: no size that is traced is the same as another."""


def export_unpadded(encoder: Encoder, path: Path) -> None:
    """Writes the graph: inputs of ``Layout.PACKED``, every axis dynamic, output ``logits``.

    Args:
        encoder: the model, in evaluation mode.
    """
    import torch

    from seatrial.conversion.unpadded_graph import UnpaddedClassifier

    axes = AXES[Layout.PACKED]
    inputs = lay_out(_EXAMPLE, Layout.PACKED)
    with torch.no_grad():
        torch.onnx.export(
            UnpaddedClassifier(encoder).eval(),
            tuple(torch.from_numpy(inputs[name]) for name in axes),
            str(path),
            opset_version=OPSET,
            dynamo=False,
            input_names=list(axes),
            output_names=["logits"],
            dynamic_axes={"logits": {0: "texts"}, **{name: dict(enumerate(names)) for name, names in axes.items()}},
        )
