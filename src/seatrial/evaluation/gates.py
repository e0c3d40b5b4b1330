"""What a version must show: each gate is a pure function from figures to one finding.

The verdicts of each gate are defined in its docstring. INCONCLUSIVE always means "more rows could settle it"; it
blocks like FAIL, but its reason says what is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict

from seatrial.config import EvaluationSettings
from seatrial.domain.evidence import Finding, Verdict
from seatrial.evaluation.calibration import Calibration, chance_error
from seatrial.evaluation.comparison import Comparison
from seatrial.evaluation.metrics import Accuracy, ClassScores
from seatrial.evaluation.slices import Slice
from seatrial.reports.formatting import count, percent, points, shorten
from seatrial.stats import clopper_pearson
from seatrial.stats.paired import PairedCounts, harm_p_value, loss_upper_bound, superiority_p_value

__all__ = [
    "BEATS_BASELINE",
    "NOT_WORSE_THAN_PRODUCTION",
    "SCORES",
    "accuracy_floor",
    "beats_baseline",
    "calibration_ceiling",
    "f1_floor",
    "not_worse_than_production",
    "slice_floor",
    "unmeasured",
]

SCORES = "evaluation.scores"
BEATS_BASELINE = "evaluation.beats_baseline"
NOT_WORSE_THAN_PRODUCTION = "evaluation.not_worse_than_production"

_FACTORS = (2, 4, 8, 16, 32, 64)


def accuracy_floor(subject: str, accuracy: Accuracy, settings: EvaluationSettings) -> Finding:
    """Accuracy is at least the floor, with confidence.

    PASS: the exact one-sided lower bound is at least the floor. FAIL: the measured accuracy is below the floor.
    INCONCLUSIVE: measured above it, but on too few rows to be sure.
    """
    floor, confidence = settings.accuracy_floor, settings.confidence
    bound = clopper_pearson.lower_bound(accuracy.correct, accuracy.rows, confidence)
    measured = f"Accuracy is {percent(accuracy.ratio)} on {count(accuracy.rows)} rows"
    if bound >= floor:
        verdict, reason = Verdict.PASS, f"{measured}, at least {percent(bound)} with {_sure(confidence)}."
    elif accuracy.ratio < floor:
        verdict, reason = Verdict.FAIL, f"{measured}, below the floor of {percent(floor)}."
    else:
        advice = _more_rows(
            lambda k: clopper_pearson.lower_bound(k * accuracy.correct, k * accuracy.rows, confidence) >= floor
        )
        verdict = Verdict.INCONCLUSIVE
        reason = (
            f"{measured}, but with {_sure(confidence)} only {percent(bound)}: the floor is {percent(floor)}. {advice}"
        )
    return Finding(
        "evaluation.accuracy_floor",
        subject,
        verdict,
        reason,
        value=accuracy.ratio,
        limit=floor,
        samples=accuracy.rows,
        details={"lower_bound": bound, "confidence": confidence},
    )


def f1_floor(subject: str, classes: Sequence[ClassScores], settings: EvaluationSettings) -> Finding:
    """No class has a lower F1 than the floor.

    PASS: the worst class has at least the floor. FAIL: it has less. INCONCLUSIVE: all measured classes pass, but
    some class has no test rows.
    """
    floor = settings.f1_floor
    measured = {scores.label: scores.f1 for scores in classes if scores.f1 is not None}
    absent = [scores.label for scores in classes if scores.f1 is None]
    label = min(measured, key=measured.__getitem__)
    worst = measured[label]
    reason = f"The worst class, {label!r}, has an F1 of {worst:.4f}; the floor is {floor:.4f}."
    verdict = Verdict.PASS if worst >= floor else Verdict.FAIL
    if absent and verdict is Verdict.PASS:
        verdict = Verdict.INCONCLUSIVE
        reason += f" Nothing is known about {', '.join(map(repr, absent))}: add test rows of that label."
    return Finding(
        "evaluation.f1_floor",
        subject,
        verdict,
        reason,
        value=worst,
        limit=floor,
        samples=sum(scores.rows for scores in classes),
        details={"class": label, "without_rows": absent},
    )


def calibration_ceiling(subject: str, calibration: Calibration, settings: EvaluationSettings) -> Finding:
    """The expected calibration error of the answers as served is at most the ceiling.

    PASS: it is. FAIL: it is above by more than chance can add on so many rows. INCONCLUSIVE: above, but a model
    within the ceiling could show as much on so few rows.
    """
    ceiling, confidence = settings.ece_ceiling, settings.confidence
    chance = chance_error(calibration.bins, confidence)
    rows = sum(found.rows for found in calibration.bins)
    reason = f"Confidence and accuracy differ by {calibration.ece:.4f} on average; the ceiling is {ceiling:.4f}."
    if calibration.ece <= ceiling:
        verdict = Verdict.PASS
    elif calibration.ece - chance > ceiling:
        verdict = Verdict.FAIL
        reason += f" A temperature of {calibration.temperature:.2f} would bring it to {calibration.calibrated_ece:.4f}."
    else:
        verdict = Verdict.INCONCLUSIVE
        reason += f" On {count(rows)} rows chance alone can add {chance:.4f}: more test rows would settle it."
    return Finding(
        "evaluation.calibration",
        subject,
        verdict,
        reason,
        value=calibration.ece,
        limit=ceiling,
        samples=rows,
        details={"chance": chance, "temperature": calibration.temperature, "calibrated": calibration.calibrated_ece},
    )


def slice_floor(subject: str, slices: Sequence[Slice], settings: EvaluationSettings) -> Finding:
    """No slice that is big enough to judge has a lower accuracy than the floor.

    PASS: the worst of them has at least the floor. FAIL: it has less. INCONCLUSIVE: no slice is big enough. Smaller
    slices are listed in the report and judge nothing.
    """
    floor, least_rows = settings.slice_floor, settings.slice_rows
    judged = [part for part in slices if part.accuracy.rows >= least_rows]
    details = {"judged": len(judged), "too_small": len(slices) - len(judged)}
    if not judged:
        reason = (
            f"None of the {len(slices)} slices has the {count(least_rows)} rows it takes to judge it: "
            "add test rows, or lower evaluation.slice_rows."
        )
        return Finding("evaluation.slice_floor", subject, Verdict.INCONCLUSIVE, reason, limit=floor, details=details)
    worst = min(judged, key=lambda part: part.accuracy.ratio)
    reason = (
        f"The worst of {len(judged)} slices, {worst.kind} {shorten(worst.name, 60)!r}, has an accuracy of "
        f"{percent(worst.accuracy.ratio)} on {count(worst.accuracy.rows)} rows; the floor is {percent(floor)}."
    )
    return Finding(
        "evaluation.slice_floor",
        subject,
        Verdict.PASS if worst.accuracy.ratio >= floor else Verdict.FAIL,
        reason,
        value=worst.accuracy.ratio,
        limit=floor,
        samples=worst.accuracy.rows,
        details={"slice": f"{worst.kind}={worst.name}", **details},
    )


def beats_baseline(subject: str, baseline: Comparison, settings: EvaluationSettings) -> Finding:
    """The model is more accurate than the baseline, by the exact paired test.

    PASS: the one-sided p-value is at most ``1 - confidence``. FAIL: the model is less accurate than the baseline.
    INCONCLUSIVE: at least as accurate, but chance explains the difference.
    """
    paired = baseline.paired
    gain, p_value = 0.0 - paired.loss_ratio, superiority_p_value(paired)
    figures = (
        f"{percent(baseline.model_ratio)} against {percent(baseline.accuracy.ratio)} ({points(gain)}; on "
        f"{count(paired.better)} rows only the model is right, on {count(paired.worse)} only the baseline)"
    )
    error = 1 - settings.confidence
    if gain < 0:
        verdict = Verdict.FAIL
        reason = f"The baseline ({baseline.rival}) beats the model: {figures}. Serve the baseline, or train longer."
    elif p_value <= error:
        verdict = Verdict.PASS
        reason = f"The model beats the baseline ({baseline.rival}): {figures}, p = {p_value:.2g}."
    else:
        verdict = Verdict.INCONCLUSIVE
        advice = _more_rows(lambda k: superiority_p_value(_scaled(paired, k)) <= error)
        chance = f"p = {p_value:.2g}"
        reason = f"The model is not proven better than the baseline ({baseline.rival}): {figures}, {chance}. {advice}"
    details = {"p_value": p_value, "confidence": settings.confidence, "baseline": baseline.rival, **asdict(paired)}
    return Finding(BEATS_BASELINE, subject, verdict, reason, gain, 0.0, paired.rows, details)


def not_worse_than_production(subject: str, production: Comparison, settings: EvaluationSettings) -> Finding:
    """The model loses at most the margin of accuracy against the version in production.

    PASS: the upper bound of the loss is at most the margin: non-inferior with confidence. FAIL: the measured loss is
    above the margin, and the exact paired test says that the model is worse than production, not merely unlucky.
    INCONCLUSIVE: neither is proven; a small real loss within the margin stays here until there are rows enough.
    """
    paired, margin, confidence = production.paired, settings.production_margin, settings.confidence
    loss, p_value = paired.loss_ratio, harm_p_value(paired)
    bound = loss_upper_bound(paired, confidence)
    sure = f"with {_sure(confidence)}"
    measured = (
        f"Against {production.rival} the accuracy changes by {points(-loss)} on {count(paired.rows)} rows (only the "
        f"model is right on {count(paired.better)}, only production on {count(paired.worse)})"
    )
    if bound <= margin:
        verdict = Verdict.PASS
        reason = f"{measured}; {sure} it loses at most {percent(max(bound, 0.0))}, the margin is {percent(margin)}."
    elif loss > margin and p_value <= 1 - confidence:
        verdict = Verdict.FAIL
        reason = f"{measured}: a loss above the margin of {percent(margin)}, and no accident (p = {p_value:.2g})."
    else:
        verdict = Verdict.INCONCLUSIVE
        advice = _more_rows(lambda k: loss_upper_bound(_scaled(paired, k), confidence) <= margin)
        reason = f"{measured}; {sure} it may lose {percent(bound)}, the margin is {percent(margin)}. {advice}"
    details = {"loss_upper_bound": bound, "harm_p_value": p_value, "confidence": confidence, **asdict(paired)}
    return Finding(NOT_WORSE_THAN_PRODUCTION, subject, verdict, reason, loss, margin, paired.rows, details)


def unmeasured(check: str, subject: str, reason: str) -> Finding:
    """The finding of a check that could not be measured."""
    return Finding(check, subject, Verdict.ERROR, reason)


def _sure(confidence: float) -> str:
    return f"{100 * confidence:g}% confidence"


def _scaled(paired: PairedCounts, factor: int) -> PairedCounts:
    return PairedCounts(factor * paired.rows, factor * paired.worse, factor * paired.better)


def _more_rows(passes: Callable[[int], bool]) -> str:
    """How many times as many rows, with the same shares, would pass."""
    factor = next((factor for factor in _FACTORS if passes(factor)), None)
    if factor is None:
        return f"Even {_FACTORS[-1]} times as many rows like these would not settle it: it is too close to call."
    return f"About {factor} times as many test rows like these would settle it."
