"""The logits an evaluation judges, and whether they can be judged at all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seatrial.domain.dataset import Dataset
from seatrial.domain.inference import FloatArray, IntArray
from seatrial.reports.formatting import count

__all__ = ["Scores", "logits_fault", "scores_fault"]


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """What models answered on the rows of a dataset, computed by the caller.

    Attributes:
        logits: (test rows, labels), of the model that is judged.
        validation_logits: (validation rows, labels), of the same model; the temperature is fitted on them.
        token_lengths: (test rows,) tokens of each test text as the model reads it.
        production_logits: (test rows, labels), of the version in production; None where there is none.
        production_ref: ``name@version`` of the version in production.
    """

    logits: FloatArray
    validation_logits: FloatArray
    token_lengths: IntArray
    production_logits: FloatArray | None = None
    production_ref: str | None = None


def scores_fault(dataset: Dataset, scores: Scores) -> str | None:
    """Why the model cannot be judged by these scores; None where it can. Says nothing of production's logits."""
    rows, validation_rows, labels = len(dataset.test), len(dataset.validation), len(dataset.labels)
    if not rows:
        return "There are no test rows to judge the model on: raise data.test_ratio or add rows."
    if np.shape(scores.token_lengths) != (rows,):
        return f"There are {np.size(scores.token_lengths)} token lengths for {count(rows)} test rows: give one each."
    fault = logits_fault(scores.logits, (rows, labels), "test logits")
    if fault is None and validation_rows:
        fault = logits_fault(scores.validation_logits, (validation_rows, labels), "validation logits")
    return fault


def logits_fault(logits: npt.ArrayLike, shape: tuple[int, int], name: str) -> str | None:
    """Why the logits are not (rows, labels) finite numbers; None where they are.

    Example:
        >>> logits_fault([[0.5, float("nan")]], (1, 2), "test logits")
        'The test logits are not finite on 1 of 1 rows: the model or its export is broken.'
    """
    found = np.asarray(logits)
    if found.shape != shape or found.dtype.kind not in "fiu":
        return f"The {name} have shape {found.shape} and type {found.dtype}: expected floats of shape {shape}."
    broken = int((~np.isfinite(found).all(axis=1)).sum())
    if broken:
        share = f"{count(broken)} of {count(shape[0])} rows"
        return f"The {name} are not finite on {share}: the model or its export is broken."
    return None
