"""Two classifiers on the same rows: exact test and exact bound on the accuracy lost.

Rows on which both are right or both are wrong say nothing about the difference; the others are `worse` (only the
reference was right) or `better` (only the challenger was).

Source: Q. McNemar, "Note on the sampling error of the difference between correlated proportions or percentages",
Psychometrika 12 (1947), 153-157, in its exact binomial form.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seatrial.stats import clopper_pearson

__all__ = ["PairedCounts", "harm_p_value", "loss_upper_bound", "superiority_p_value"]


@dataclass(frozen=True, slots=True)
class PairedCounts:
    """How a challenger and a reference fared on the same rows.

    Attributes:
        rows: all rows.
        worse: rows only the reference got right.
        better: rows only the challenger got right.
    """

    rows: int
    worse: int
    better: int

    def __post_init__(self) -> None:
        if min(self.worse, self.better) < 0 or self.worse + self.better > self.rows:
            raise ValueError(f"{self.worse} worse and {self.better} better of {self.rows} rows is impossible.")

    @classmethod
    def of(
        cls, truth: npt.NDArray[np.int64], challenger: npt.NDArray[np.int64], reference: npt.NDArray[np.int64]
    ) -> PairedCounts:
        """Counts from three (rows,) arrays of label indices.

        Raises:
            ValueError: the arrays differ in length.
        """
        if not truth.shape == challenger.shape == reference.shape:
            raise ValueError("The three arrays must have one label for each row.")
        right, was_right = challenger == truth, reference == truth
        return cls(len(truth), int((~right & was_right).sum()), int((right & ~was_right).sum()))

    @property
    def loss_ratio(self) -> float:
        """Accuracy the challenger lost, negative where it gained; 0 where there are no rows."""
        return (self.worse - self.better) / self.rows if self.rows else 0.0


def superiority_p_value(counts: PairedCounts) -> float:
    """Exact one-sided p-value of "the challenger is not better": small means it is better.

    Example:
        >>> superiority_p_value(PairedCounts(100, worse=0, better=5))
        0.03125
    """
    from scipy.special import bdtr

    discordant = counts.worse + counts.better
    return float(bdtr(counts.worse, discordant, 0.5)) if discordant else 1.0


def harm_p_value(counts: PairedCounts) -> float:
    """Exact one-sided p-value of "the challenger is not worse": small means it is worse.

    Example:
        >>> harm_p_value(PairedCounts(100, worse=5, better=0))
        0.03125
    """
    return superiority_p_value(PairedCounts(counts.rows, worse=counts.better, better=counts.worse))


def loss_upper_bound(counts: PairedCounts, confidence: float = 0.95) -> float:
    """Upper bound on the accuracy the challenger loses, valid at `confidence` whatever the truth.

    The loss is d (2 q - 1), with d the share of discordant rows and q the share of those that are worse. Each gets
    its exact Clopper-Pearson bound at half the error, hence the product holds at `confidence` (union bound). Which
    bound of d is read hangs on the data, by the sign of 2 q - 1 at q's bound, and costs nothing: while q's bound
    holds, a product of the other sign than the truth is never too small. Conservative: never too small, a little wide.

    Returns:
        A difference of accuracies from -1 to 1; negative says the challenger is proven better.

    Raises:
        ValueError: the confidence is impossible.

    Example:
        >>> round(loss_upper_bound(PairedCounts(1000, worse=0, better=0)), 5)  # identical answers
        0.00368
    """
    clopper_pearson.check_confidence(confidence)
    half = (1 + confidence) / 2
    discordant = counts.worse + counts.better
    worse_share = clopper_pearson.upper_bound(counts.worse, discordant, half)
    if worse_share >= 0.5:
        discordant_share = clopper_pearson.upper_bound(discordant, counts.rows, half)
    else:
        discordant_share = clopper_pearson.lower_bound(discordant, counts.rows, half)
    return discordant_share * (2 * worse_share - 1)
