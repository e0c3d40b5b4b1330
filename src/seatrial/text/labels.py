"""Logits to probabilities and labels."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from seatrial.domain.inference import FloatArray

__all__ = ["label_indices", "label_names", "scored_rows", "softmax"]

_FEW = 64
"""Up to so many numbers Python is faster than numpy, whose calls also hand the interpreter to other threads."""


def softmax(logits: npt.ArrayLike, temperature: float = 1.0) -> FloatArray:
    """Plain softmax over the last axis, stable for any finite logits.

    Args:
        logits: (texts, labels).
        temperature: divides the logits first; 1 leaves them as they are.

    Returns:
        (texts, labels) float32, rows summing to 1.

    Example:
        >>> softmax([[0.0, 0.0]]).tolist()
        [[0.5, 0.5]]
    """
    scaled = np.asarray(logits, np.float64) / temperature
    exponentials = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=-1, keepdims=True), np.float32)


def label_indices(logits: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """(texts,) int64: the column of the largest logit, the first of equals."""
    return np.asarray(np.argmax(np.asarray(logits), axis=-1), np.int64)


def label_names(logits: npt.ArrayLike, labels: Sequence[str]) -> list[str]:
    """The name of each text's label.

    Example:
        >>> label_names([[0.1, 2.0]], ("negative", "positive"))
        ['positive']
    """
    return [labels[index] for index in label_indices(logits)]


def scored_rows(logits: FloatArray, labels: Sequence[str]) -> list[tuple[str, list[float]]]:
    """Label and softmax of each text, as plain objects: what an answer says.

    Args:
        logits: (texts, labels) float32, finite.

    Example:
        >>> scored_rows(np.float32([[0.0, 0.0]]), ("negative", "positive"))
        [('negative', [0.5, 0.5])]
    """
    if logits.size > _FEW:
        return list(zip(label_names(logits, labels), softmax(logits).tolist(), strict=True))
    scored = []
    for row in logits.tolist():
        top = max(row)
        exponentials = [math.exp(logit - top) for logit in row]
        total = sum(exponentials)
        scored.append((labels[row.index(top)], [exponential / total for exponential in exponentials]))
    return scored
