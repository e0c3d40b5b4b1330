"""The decision-parity gate: does an artifact decide as its source does?

Every check is a pure function from logits to one finding. INCONCLUSIVE means that more rows could settle it; it
forbids serving as FAIL does, but its reason says how many rows are missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seatrial.config import ConversionSettings
from seatrial.conversion.flips import Flips, flip_rate, judged, length_buckets
from seatrial.domain.evidence import Finding, Verdict
from seatrial.domain.inference import FloatArray, IntArray, TokenBatch
from seatrial.domain.model import Precision
from seatrial.reports.formatting import count, number, points
from seatrial.stats.paired import PairedCounts, harm_p_value, loss_upper_bound
from seatrial.text.labels import label_indices, softmax

__all__ = ["COMPOSITION_SPREAD_LIMIT", "Answers", "ParityRows", "check_parity", "unmeasured"]

COMPOSITION_SPREAD_LIMIT = 1e-5
"""Largest change of an fp32 probability with the company in the batch: rounding alone stays a tenth of it."""


@dataclass(frozen=True, slots=True, eq=False)
class ParityRows:
    """Rows an artifact is compared on, with what the source answered.

    Attributes:
        tokens: the texts as the model reads them.
        truth: (rows,) int64, indices of the right labels.
        source_logits: (rows, labels) float32, the source's answers.
    """

    tokens: TokenBatch
    truth: IntArray
    source_logits: FloatArray

    def __len__(self) -> int:
        return len(self.tokens)


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What an artifact answers to the parity rows.

    Attributes:
        logits: (rows, labels) float32, asked in batches of texts of like length.
        recomposed: the same rows asked in random batches, once for each round.
    """

    logits: FloatArray
    recomposed: Sequence[FloatArray]


def check_parity(
    subject: str, rows: ParityRows, answers: Answers, precision: Precision, settings: ConversionSettings
) -> list[Finding]:
    """Judges an artifact against its source.

    Args:
        subject: ``name@version/artifact``.
        precision: fp32 artifacts are held to tighter limits, and to their probabilities.

    Returns:
        ``conversion.scores`` first. Where that is ERROR nothing else can be judged and it stands alone; the worst
        verdict is then ERROR, and the artifact can never be served.
    """
    fault = _fault(rows, answers)
    if fault:
        return [unmeasured(subject, fault, len(rows))]
    scored = f"All {count(len(rows))} rows were answered {1 + len(answers.recomposed)} times, every answer finite."
    exact = precision is Precision.FP32
    limit = settings.fp32_flip_rate_limit if exact else settings.flip_rate_limit
    flipped = label_indices(rows.source_logits) != label_indices(answers.logits)
    return [
        Finding("conversion.scores", subject, Verdict.PASS, scored, samples=len(rows)),
        flip_rate(subject, Flips.of(flipped, settings.confidence), limit),
        length_buckets(subject, flipped, rows.tokens.lengths, limit, settings.confidence),
        _accuracy_loss(subject, rows, answers.logits, settings),
        _probability_difference(subject, rows, answers.logits, settings.fp32_probability_limit if exact else None),
        _composition(subject, answers, None if exact else limit, settings.confidence),
    ]


def unmeasured(subject: str, fault: str, rows: int = 0) -> Finding:
    """The finding that stands alone where an artifact's answers could not be had or used."""
    reason = f"{fault} Nothing could be compared, and the artifact cannot be served."
    return Finding("conversion.scores", subject, Verdict.ERROR, reason, samples=rows)


def _fault(rows: ParityRows, answers: Answers) -> str:
    """What forbids comparing at all, as a sentence; empty where nothing does."""
    expected = rows.source_logits.shape
    if len(rows) == 0:
        return "There are no rows to compare on: prepare some with labels."
    if expected[:1] != (len(rows),) or rows.truth.shape != (len(rows),):
        return f"The source answered {expected} and {rows.truth.shape} labels are known, for {len(rows)} rows."
    if not np.isfinite(rows.source_logits).all():
        return "The source itself answers logits that are not finite: train or register the version again."
    for logits in (answers.logits, *answers.recomposed):
        if logits.shape != expected:
            return f"The artifact answers logits of shape {logits.shape}, the source {expected}."
        broken = int((~np.isfinite(logits)).any(axis=1).sum())
        if broken:
            return f"{count(broken)} of {count(len(rows))} answers are not finite."
    return ""


def _accuracy_loss(subject: str, rows: ParityRows, logits: FloatArray, settings: ConversionSettings) -> Finding:
    """Accuracy lost on the rows, judged by its measured value.

    PASS: at most the limit. FAIL: more. A bound on it would need tens of thousands of rows; it stands in the details,
    and how many labels change at all is bounded by ``conversion.flip_rate``.
    """
    counts = PairedCounts.of(rows.truth, label_indices(logits), label_indices(rows.source_logits))
    limit = settings.accuracy_loss_limit
    lost = counts.loss_ratio
    reason = (
        f"Accuracy changes by {points(-lost)} ({count(counts.worse)} rows got worse, {count(counts.better)} better); "
        f"{points(-limit)} is allowed."
    )
    details = {
        "worse": counts.worse,
        "better": counts.better,
        "upper_bound": loss_upper_bound(counts, settings.confidence),
        "harm_p_value": harm_p_value(counts),
    }
    verdict = Verdict.PASS if lost <= limit else Verdict.FAIL
    return Finding("conversion.accuracy_loss", subject, verdict, reason, lost, limit, len(rows), details)


def _probability_difference(subject: str, rows: ParityRows, logits: FloatArray, limit: float | None) -> Finding:
    """The largest change of a probability.

    PASS: at most the limit, or there is none: quantised artifacts are judged by their decisions. FAIL: above it.
    """
    differences = np.abs(softmax(logits) - softmax(rows.source_logits)).max(axis=1)
    largest, mean = float(differences.max()), float(differences.mean())
    logit_differences = np.abs(logits - rows.source_logits)
    judgement = (
        f"the limit is {number(limit)}."
        if limit is not None
        else "recorded only: a quantised artifact is judged by its decisions."
    )
    return Finding(
        "conversion.probability_difference",
        subject,
        Verdict.PASS if limit is None or largest <= limit else Verdict.FAIL,
        f"Probabilities differ by at most {number(largest)}, by {number(mean)} on average; {judgement}",
        largest,
        limit,
        len(rows),
        {
            "mean": mean,
            "logit_difference": {
                "largest": float(logit_differences.max()),
                "mean": float(logit_differences.mean()),
            },
        },
    )


def _composition(subject: str, answers: Answers, limit: float | None, confidence: float) -> Finding:
    """Whether answers depend on the company a text keeps in its batch.

    Without a limit on flips (fp32): PASS where no probability moves by more than `COMPOSITION_SPREAD_LIMIT`, else
    FAIL. With one: judged by the round in which most labels change, as ``conversion.flip_rate`` is.
    """
    probabilities, labels = softmax(answers.logits), label_indices(answers.logits)
    spread = max((float(np.abs(softmax(other) - probabilities).max()) for other in answers.recomposed), default=0.0)
    rounds = [Flips.of(label_indices(other) != labels, confidence) for other in answers.recomposed]
    worst = max(rounds, key=lambda flips: flips.flips, default=Flips(0, 0, confidence))
    details = {"spread": spread, "flips": [flips.flips for flips in rounds]}
    measured = f"In other company probabilities move by at most {number(spread)}"
    if limit is not None:
        verdict, bound = judged(worst, limit)
        reason = f"{measured} and {bound}"
        value: float = worst.upper_bound
    else:
        verdict = Verdict.PASS if spread <= COMPOSITION_SPREAD_LIMIT else Verdict.FAIL
        reason = f"{measured}, and {count(worst.flips)} labels change; the limit is {COMPOSITION_SPREAD_LIMIT}."
        value, limit = spread, COMPOSITION_SPREAD_LIMIT
    return Finding("conversion.composition", subject, verdict, reason, value, limit, worst.rows, details)
