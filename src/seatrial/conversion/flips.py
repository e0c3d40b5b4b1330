"""Changed labels: how many, how many at most, and whether that is proven to be few enough."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from seatrial.domain.evidence import Finding, Verdict
from seatrial.domain.inference import IntArray
from seatrial.reports.formatting import count, percent
from seatrial.stats import clopper_pearson

__all__ = ["BUCKET_EDGES", "Flips", "flip_rate", "judged", "length_buckets", "rows_needed"]

BUCKET_EDGES = (8, 16, 32, 64, 128, 256)
"""Longest text of each length bucket, in tokens; one more bucket holds what is longer."""

_MOST_ROWS = 10_000_000


@dataclass(frozen=True, slots=True)
class Flips:
    """How many labels changed.

    Attributes:
        flips: rows whose label changed.
        rows: all rows.
        confidence: of each bound, one-sided.
    """

    flips: int
    rows: int
    confidence: float

    @classmethod
    def of(cls, flipped: npt.NDArray[np.bool_], confidence: float) -> Flips:
        """Counts a (rows,) mask."""
        return cls(int(flipped.sum()), len(flipped), confidence)

    @property
    def ratio(self) -> float:
        """The share of rows that changed; 0 where there are none."""
        return self.flips / self.rows if self.rows else 0.0

    @property
    def upper_bound(self) -> float:
        """The exact upper bound of that share."""
        return clopper_pearson.upper_bound(self.flips, self.rows, self.confidence)

    @property
    def lower_bound(self) -> float:
        """The exact lower bound of that share."""
        return clopper_pearson.lower_bound(self.flips, self.rows, self.confidence)


def judged(flips: Flips, limit: float) -> tuple[Verdict, str]:
    """The verdict on a share of changed labels, and why.

    PASS: its exact upper bound is at most the limit. FAIL: the measured share is above the limit. INCONCLUSIVE: the
    measured share is within the limit, but the rows are too few to prove it.

    Example:
        >>> [judged(Flips(n, 2000, 0.95), 0.02)[0].word for n in (29, 30, 40, 41)]
        ['pass', 'inconclusive', 'inconclusive', 'fail']
        >>> judged(Flips(0, 100, 0.95), 0.02)[1]
        '0 of 100 labels change, at most 2.95% with 95% confidence: the limit is 2.00%. 149 rows like these would do.'
    """
    measured = f"{count(flips.flips)} of {count(flips.rows)} labels change"
    sure = f"at most {percent(flips.upper_bound)} with {percent(flips.confidence, 0)} confidence"
    if flips.upper_bound <= limit:
        return Verdict.PASS, f"{measured}, {sure}; the limit is {percent(limit)}."
    if flips.ratio > limit:
        return Verdict.FAIL, f"{measured}, {percent(flips.ratio)}: the limit is {percent(limit)}."
    needed = rows_needed(flips, limit)
    advice = f"{count(needed)} rows like these would do." if needed else "No number of rows like these would do."
    return Verdict.INCONCLUSIVE, f"{measured}, {sure}: the limit is {percent(limit)}. {advice}"


def rows_needed(flips: Flips, limit: float) -> int | None:
    """How many rows, flipping at the same rate, would prove it to be within the limit; None for more than can be had.

    Example:
        >>> rows_needed(Flips(0, 100, 0.95), 0.02), rows_needed(Flips(2, 100, 0.95), 0.02)
        (149, None)
    """

    def enough(rows: int) -> bool:
        expected = -(-flips.flips * rows // flips.rows) if flips.rows else 0
        return clopper_pearson.upper_bound(expected, rows, flips.confidence) <= limit

    high = max(flips.rows, 1)
    while not enough(high):
        high *= 2
        if high > _MOST_ROWS:
            return None
    return _first(enough, high // 2, high)


def flip_rate(subject: str, flips: Flips, limit: float) -> Finding:
    """Labels that differ from the source's; see `judged` for the verdicts. Its value is the upper bound."""
    verdict, reason = judged(flips, limit)
    details = {
        "flips": flips.flips,
        "rate": flips.ratio,
        "lower_bound": flips.lower_bound,
        "upper_bound": flips.upper_bound,
        "confidence": flips.confidence,
    }
    return Finding("conversion.flip_rate", subject, verdict, reason, flips.upper_bound, limit, flips.rows, details)


def length_buckets(
    subject: str, flipped: npt.NDArray[np.bool_], lengths: IntArray, limit: float, confidence: float
) -> Finding:
    """Whether labels change too often among texts of some length.

    FAIL: in some bucket the exact lower bound of the share is above the limit. PASS: in none. The error of all
    buckets together is shared out among them (Bonferroni), so that one of many does not fail by chance.

    Args:
        flipped: (rows,) bool, whether the label changed.
        lengths: (rows,) int64, tokens of each text.
    """
    places = np.searchsorted(np.array(BUCKET_EDGES), lengths, side="left")
    filled = sorted(set(places.tolist()))
    each = 1 - (1 - confidence) / max(len(filled), 1)
    buckets = {_bucket_name(place): Flips.of(flipped[places == place], each) for place in filled}
    name, worst = max(buckets.items(), key=lambda item: (item[1].lower_bound, item[1].ratio))
    measured = f"among texts of {name} tokens {count(worst.flips)} of {count(worst.rows)} labels change"
    if worst.lower_bound > limit:
        verdict = Verdict.FAIL
        reason = f"{measured}, at least {percent(worst.lower_bound)}: the limit is {percent(limit)}."
    else:
        verdict = Verdict.PASS
        reason = f"No length is significantly above the limit of {percent(limit)}; {measured}."
    table: list[dict[str, Any]] = [
        {"tokens": name, "rows": flips.rows, "flips": flips.flips, "lower_bound": flips.lower_bound}
        for name, flips in buckets.items()
    ]
    return Finding(
        "conversion.length_buckets",
        subject,
        verdict,
        reason[0].upper() + reason[1:],
        worst.lower_bound,
        limit,
        len(flipped),
        {"buckets": table, "confidence": each},
    )


def _bucket_name(place: int) -> str:
    """For example ``9-16`` or ``257+``."""
    first = BUCKET_EDGES[place - 1] + 1 if place else 1
    return f"{first}+" if place == len(BUCKET_EDGES) else f"{first}-{BUCKET_EDGES[place]}"


def _first(holds: Callable[[int], bool], low: int, high: int) -> int:
    """The first number above `low` that holds, by halving; `high` holds."""
    while high - low > 1:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle
    return high
