"""Whether confidences mean what they say: reliability bins, expected calibration error, and the fitted temperature.

Answers stay plain softmax. The temperature is only measured and kept with the version: monitoring estimates accuracy
without labels from calibrated confidences.

Source: C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, "On calibration of modern neural networks", ICML 2017.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seatrial.domain.inference import FloatArray, IntArray
from seatrial.evaluation.metrics import log_loss, log_probabilities
from seatrial.text.labels import label_indices, softmax

__all__ = [
    "TEMPERATURES",
    "Calibration",
    "ReliabilityBin",
    "calibrate",
    "chance_error",
    "expected_calibration_error",
    "fit_temperature",
    "reliability_bins",
]

_BINS = 15
TEMPERATURES = (0.05, 20.0)
"""Range of the fitted temperature. Rows that are all answered rightly would ask for 0, confident nonsense for infinity:
both ends are far beyond what a trained classifier needs."""


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """The rows whose confidence lies in ``(low, high]``.

    Attributes:
        rows: how many.
        confidence: their mean confidence.
        accuracy: the share of them answered rightly.
    """

    low: float
    high: float
    rows: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """How far confidences are from the truth, as served (plain softmax) and after the fitted temperature.

    Attributes:
        temperature: fitted on the validation rows; above 1 the model is over-confident.
        bins: reliability on the test rows as served; empty bins are left out.
        calibrated_bins: the same after the temperature.
        ece: expected calibration error on the test rows as served.
        calibrated_ece: the same after the temperature.
        log_loss: mean negative log-likelihood on the test rows as served, in nats.
        calibrated_log_loss: the same after the temperature.
    """

    temperature: float
    bins: tuple[ReliabilityBin, ...]
    calibrated_bins: tuple[ReliabilityBin, ...]
    ece: float
    calibrated_ece: float
    log_loss: float
    calibrated_log_loss: float


def calibrate(logits: FloatArray, truth: IntArray, temperature: float) -> Calibration:
    """Measures calibration on (rows, labels) logits with and without a temperature fitted elsewhere."""
    bins, calibrated = reliability_bins(logits, truth), reliability_bins(logits, truth, temperature)
    return Calibration(
        temperature=temperature,
        bins=bins,
        calibrated_bins=calibrated,
        ece=expected_calibration_error(bins),
        calibrated_ece=expected_calibration_error(calibrated),
        log_loss=log_loss(logits, truth),
        calibrated_log_loss=log_loss(logits, truth, temperature),
    )


def reliability_bins(logits: npt.ArrayLike, truth: IntArray, temperature: float = 1.0) -> tuple[ReliabilityBin, ...]:
    """Rows in 15 equal bins by the confidence of their answer; bins without rows are left out.

    Args:
        logits: (rows, labels).
        truth: (rows,) label indices.
        temperature: divides the logits first.

    Example:
        >>> [found] = reliability_bins([[0.0, 9.0], [0.0, 9.0]], np.array([1, 0]))
        >>> found.rows, found.accuracy, round(found.confidence, 4)
        (2, 0.5, 0.9999)
    """
    confidences = softmax(logits, temperature).max(axis=1).astype(np.float64)
    right = label_indices(logits) == truth
    places = np.clip(np.ceil(confidences * _BINS).astype(np.int64) - 1, 0, _BINS - 1)
    return tuple(
        ReliabilityBin(
            low=place / _BINS,
            high=(place + 1) / _BINS,
            rows=int((places == place).sum()),
            confidence=float(confidences[places == place].mean()),
            accuracy=float(right[places == place].mean()),
        )
        for place in np.unique(places).tolist()
    )


def expected_calibration_error(bins: Sequence[ReliabilityBin]) -> float:
    """Mean distance between confidence and accuracy over the bins, weighted by their rows; of no rows it is 0.

    Example:
        >>> expected_calibration_error([ReliabilityBin(0.5, 0.75, 30, 0.75, 0.5), ReliabilityBin(0.75, 1.0, 30, 1, 1)])
        0.125
    """
    rows = sum(found.rows for found in bins)
    return sum(found.rows * abs(found.confidence - found.accuracy) for found in bins) / rows if rows else 0.0


def chance_error(bins: Sequence[ReliabilityBin], confidence: float) -> float:
    """How much calibration error chance alone can add on so many rows: a bound that holds at `confidence`.

    The mean error of bin b exceeds its true one by at most the standard deviation of its accuracy,
    ``1 / (2 sqrt(rows_b))``; and since one row moves the sum by at most ``1 / rows``, the sum exceeds its own mean by
    more than ``sqrt(log(1 / error) / (2 rows))`` with probability below `error`.

    Source: C. McDiarmid, "On the method of bounded differences", Surveys in Combinatorics (1989), 148-188.

    Example:
        >>> round(chance_error([ReliabilityBin(0.8, 1.0, 100, 0.9, 0.9)], 0.95), 4)
        0.1724
    """
    rows = sum(found.rows for found in bins)
    if not rows:
        return 1.0
    spread = sum(math.sqrt(found.rows) for found in bins) / (2 * rows)
    return spread + math.sqrt(-math.log(1 - confidence) / (2 * rows))


def fit_temperature(logits: npt.ArrayLike, truth: IntArray) -> float:
    """The temperature that makes the true classes of the validation rows most likely; 1 where there are no rows.

    The log loss is convex in 1 / temperature, so its slope changes sign once: a root finder cannot miss it, and where
    it has none inside `TEMPERATURES`, the nearer end is the answer.

    Args:
        logits: (rows, labels).
        truth: (rows,) label indices.
    """
    scores = np.asarray(logits, np.float64)
    if not len(truth):
        return 1.0
    from scipy.optimize import brentq

    def slope(log_temperature: float) -> float:
        """Slope of the log loss in 1 / temperature: expected logit of the answer minus logit of the truth."""
        probabilities = np.exp(log_probabilities(scores, math.exp(log_temperature)))
        return float(((probabilities * scores).sum(axis=1) - scores[np.arange(len(truth)), truth]).mean())

    coldest, hottest = map(math.log, TEMPERATURES)
    if slope(coldest) <= 0:
        return TEMPERATURES[0]
    if slope(hottest) >= 0:
        return TEMPERATURES[1]
    return math.exp(brentq(slope, coldest, hottest, xtol=1e-6))
