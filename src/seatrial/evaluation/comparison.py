"""The model beside a rival on the same rows."""

from __future__ import annotations

from dataclasses import dataclass

from seatrial.domain.inference import IntArray
from seatrial.evaluation.metrics import Accuracy, accuracy
from seatrial.stats.paired import PairedCounts

__all__ = ["Comparison", "compare"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """How the model fared against a rival.

    Attributes:
        rival: what it was compared with, as a person would call it.
        accuracy: the rival's.
        paired: rows only one of both got right; the model is the challenger.
    """

    rival: str
    accuracy: Accuracy
    paired: PairedCounts

    @property
    def model_ratio(self) -> float:
        """The model's own accuracy on the same rows."""
        return self.accuracy.ratio - self.paired.loss_ratio


def compare(
    rival: str, truth: IntArray, predicted: IntArray, rival_predicted: IntArray, confidence: float
) -> Comparison:
    """Compares two (rows,) arrays of answers with the truth."""
    return Comparison(
        rival=rival,
        accuracy=accuracy(rival_predicted == truth, confidence),
        paired=PairedCounts.of(truth, predicted, rival_predicted),
    )
