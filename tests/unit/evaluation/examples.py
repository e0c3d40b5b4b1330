"""Logits with a wanted accuracy, for tests of the evaluation."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from seatrial.domain.dataset import Dataset
from seatrial.domain.inference import FloatArray, IntArray
from seatrial.evaluation.scores import Scores


def logits_of(truth: IntArray, right: npt.NDArray[np.bool_], labels: int = 2, margin: float = 2.0) -> FloatArray:
    """(rows, labels): the true label leads by `margin` where right, the next label where not."""
    answers = np.where(right, truth, (truth + 1) % labels)
    logits = np.zeros((len(truth), labels), np.float32)
    logits[np.arange(len(truth)), answers] = margin
    return logits


def spread(rows: int, wrong: int) -> npt.NDArray[np.bool_]:
    """(rows,) bool: exactly `wrong` rows are False, spread evenly, so that every slice gets its share."""
    right = np.ones(rows, np.bool_)
    if wrong:
        right[np.linspace(0, rows - 1, wrong).astype(np.int64)] = False
    return right


def scores_of(dataset: Dataset, wrong: int = 0, production_wrong: int | None = None) -> Scores:
    """Scores with exactly so many wrong answers on the test rows."""
    test, validation = dataset.test, dataset.validation
    production = None
    if production_wrong is not None:
        production = logits_of(test.labels, spread(len(test), production_wrong))
    return Scores(
        logits=logits_of(test.labels, spread(len(test), wrong)),
        validation_logits=logits_of(validation.labels, spread(len(validation), len(validation) // 10)),
        token_lengths=np.array([len(text.split()) + 2 for text in test.texts], np.int64),
        production_logits=production,
        production_ref=None if production is None else "tiny@1",
    )
