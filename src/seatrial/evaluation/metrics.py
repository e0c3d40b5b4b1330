"""How good answers are: accuracy, confusion, precision, recall, F1, ranking and log loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seatrial.domain.inference import IntArray
from seatrial.stats import clopper_pearson

__all__ = [
    "Accuracy",
    "ClassScores",
    "accuracy",
    "area_under_roc",
    "class_scores",
    "confusion",
    "log_loss",
    "log_probabilities",
    "macro_f1",
]


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Share of rows answered rightly, with its exact two-sided interval.

    Attributes:
        rows: how many rows were asked.
        correct: how many of them were answered rightly.
        ratio: ``correct / rows``, 0 where there are no rows.
        low: lower end of the interval.
        high: upper end of the interval.
    """

    rows: int
    correct: int
    ratio: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class ClassScores:
    """How one class fared.

    Attributes:
        label: name of the class.
        rows: rows that truly are of it.
        predicted: rows that were answered with it.
        precision: share of `predicted` that is right; 0 where nothing was answered with it.
        recall: share of `rows` that was found; None where there are no rows of it.
        f1: harmonic mean of both; None where there are no rows of it, since nothing was measured.
    """

    label: str
    rows: int
    predicted: int
    precision: float
    recall: float | None
    f1: float | None


def accuracy(right: npt.NDArray[np.bool_], confidence: float) -> Accuracy:
    """Accuracy over (rows,) answers that were right or not, with its Clopper-Pearson interval.

    Example:
        >>> accuracy(np.array([True, True, False, True]), 0.95).ratio
        0.75
    """
    correct = int(right.sum())
    low, high = clopper_pearson.interval(correct, len(right), confidence)
    return Accuracy(len(right), correct, correct / len(right) if len(right) else 0.0, low, high)


def confusion(truth: IntArray, predicted: IntArray, labels: int) -> IntArray:
    """(labels, labels) counts: row = true class, column = answered class.

    Example:
        >>> confusion(np.array([0, 0, 1]), np.array([0, 1, 1]), 2).tolist()
        [[1, 1], [0, 1]]
    """
    cells = np.bincount(truth * labels + predicted, minlength=labels * labels)
    return np.asarray(cells.reshape(labels, labels), np.int64)


def class_scores(matrix: IntArray, labels: Sequence[str]) -> tuple[ClassScores, ...]:
    """Precision, recall and F1 of every class, from the confusion matrix (labels, labels).

    Example:
        >>> class_scores(np.array([[1, 1], [0, 2]]), ("no", "yes"))[1].f1
        0.8
    """
    return tuple(
        _class_scores(label, int(matrix[index, index]), int(matrix[index].sum()), int(matrix[:, index].sum()))
        for index, label in enumerate(labels)
    )


def macro_f1(classes: Sequence[ClassScores]) -> float:
    """Mean F1 over the classes that have rows; 0 where none has."""
    measured = [scores.f1 for scores in classes if scores.f1 is not None]
    return sum(measured) / len(measured) if measured else 0.0


def area_under_roc(logits: npt.ArrayLike, truth: IntArray) -> float | None:
    """Area under the ROC curve: how surely a row of a class outranks a row of another; one-vs-rest, macro mean.

    Rows are ranked by the log-odds of the class, which keep apart what probabilities round to 1. With two classes
    both halves of the mean are the same figure, the usual binary one. Equal scores count half.

    Args:
        logits: (rows, labels).
        truth: (rows,) label indices.

    Returns:
        A figure from 0 to 1; None where no class has rows on both sides.

    Source: J. A. Hanley and B. J. McNeil, "The meaning and use of the area under a receiver operating characteristic
    (ROC) curve", Radiology 143 (1982), 29-36: the area is the Mann-Whitney statistic.

    Example:
        >>> area_under_roc([[2, 0], [0, 1], [0, 3]], np.array([0, 0, 1]))
        1.0
    """
    scores = np.asarray(logits, np.float64)
    areas = [
        _rank_area(scores[:, index] - _log_sum_exp(np.delete(scores, index, axis=1)), truth == index)
        for index in range(scores.shape[1])
        if 0 < int((truth == index).sum()) < len(truth)
    ]
    return sum(areas) / len(areas) if areas else None


def log_probabilities(logits: npt.ArrayLike, temperature: float = 1.0) -> npt.NDArray[np.float64]:
    """(rows, labels) float64: logarithm of the softmax, finite for any finite logits."""
    scaled = np.asarray(logits, np.float64) / temperature
    return np.asarray(scaled - _log_sum_exp(scaled)[:, None], np.float64)


def log_loss(logits: npt.ArrayLike, truth: IntArray, temperature: float = 1.0) -> float:
    """Mean negative log-likelihood of the true class, in nats; of no rows it is 0.

    Args:
        logits: (rows, labels).
        truth: (rows,) label indices.
        temperature: divides the logits first.

    Example:
        >>> round(log_loss([[0.0, 0.0]], np.array([1])), 6)  # two equal classes: log 2
        0.693147
    """
    if not len(truth):
        return 0.0
    return float(-log_probabilities(logits, temperature)[np.arange(len(truth)), truth].mean())


def _class_scores(label: str, found: int, rows: int, predicted: int) -> ClassScores:
    precision = found / predicted if predicted else 0.0
    if not rows:
        return ClassScores(label, rows, predicted, precision, recall=None, f1=None)
    return ClassScores(label, rows, predicted, precision, found / rows, 2 * found / (rows + predicted))


def _rank_area(scores: npt.NDArray[np.float64], positive: npt.NDArray[np.bool_]) -> float:
    """Mann-Whitney statistic over (rows,) scores, divided by the number of pairs."""
    _, place, count = np.unique(scores, return_inverse=True, return_counts=True)
    middle_rank = np.cumsum(count) - (count - 1) / 2
    positives = int(positive.sum())
    wins = middle_rank[place][positive].sum() - positives * (positives + 1) / 2
    return float(wins / (positives * (len(scores) - positives)))


def _log_sum_exp(scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(rows,): logarithm of the summed exponentials of each row, without overflow."""
    largest = scores.max(axis=1)
    return np.asarray(largest + np.log(np.exp(scores - largest[:, None]).sum(axis=1)), np.float64)
