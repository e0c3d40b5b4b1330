"""How well a model in training does on the validation rows; scored as every other engine of the project is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from seatrial.domain.inference import EngineOutput, FloatArray, IntArray
from seatrial.domain.model import Artifact, ArtifactFormat, Layout, Precision
from seatrial.domain.progress import Progress
from seatrial.text.labels import label_indices
from seatrial.text.scoring import score
from seatrial.training.fitting import TrainingRows

__all__ = ["TrainedEngine", "cross_entropy", "validate"]


class TrainedEngine:
    """A model in memory, run as an `InferenceEngine`."""

    artifact = Artifact("source", ArtifactFormat.HUGGINGFACE, Precision.FP32, Layout.PADDED, "")

    def __init__(self, model: Any) -> None:
        self._model = model.eval()

    def infer(self, inputs: Mapping[str, IntArray]) -> EngineOutput:
        """Logits of a laid-out batch."""
        import torch

        with torch.inference_mode():
            tensors = {name: torch.from_numpy(array) for name, array in inputs.items()}
            return EngineOutput(self._model(**tensors).logits.numpy())

    def close(self) -> None:
        """The model belongs to the caller: nothing to give back."""


def validate(model: Any, rows: TrainingRows, progress: Progress) -> dict[str, float]:
    """Accuracy and mean cross-entropy, named ``validation_accuracy`` and ``validation_loss``; empty without rows."""
    if not len(rows.tokens):
        return {}
    logits = score(TrainedEngine(model), rows.tokens, pad_id=rows.pad_id, progress=progress, title="validate")
    return {
        "validation_accuracy": float(np.mean(label_indices(logits) == rows.labels)),
        "validation_loss": cross_entropy(logits, rows.labels),
    }


def cross_entropy(logits: FloatArray, labels: IntArray) -> float:
    """Mean negative logarithm of the probability of the right label.

    Args:
        logits: (texts, labels).
        labels: (texts,) the right column of each.

    Example:
        >>> round(cross_entropy(np.zeros((3, 2), np.float32), np.array([0, 1, 1])), 4)
        0.6931
    """
    wide = logits.astype(np.float64)
    peak = wide.max(axis=1)
    log_total = peak + np.log(np.exp(wide - peak[:, None]).sum(axis=1))
    return float(np.mean(log_total - wide[np.arange(len(labels)), labels]))
