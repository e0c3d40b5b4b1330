"""From logits to figures and findings."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from seatrial.config import EvaluationSettings
from seatrial.domain.dataset import Dataset, LabelledRows
from seatrial.domain.errors import DataError
from seatrial.domain.evidence import Finding, Verdict
from seatrial.domain.inference import FloatArray
from seatrial.domain.progress import SILENT, Progress
from seatrial.evaluation import gates
from seatrial.evaluation.baseline import BASELINE, predict_baseline
from seatrial.evaluation.calibration import Calibration, calibrate, fit_temperature
from seatrial.evaluation.comparison import Comparison, compare
from seatrial.evaluation.metrics import (
    Accuracy,
    ClassScores,
    accuracy,
    area_under_roc,
    class_scores,
    confusion,
    macro_f1,
)
from seatrial.evaluation.scores import Scores, logits_fault, scores_fault
from seatrial.evaluation.slices import Slice, slice_rows
from seatrial.reports.formatting import count, shorten
from seatrial.text.labels import label_indices, softmax

__all__ = ["Evaluation", "evaluate"]

_MISTAKES = 20
_MISTAKE_LETTERS = 300


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """What was measured and what it came to.

    Attributes:
        report: all figures and the findings, JSON-serialisable; without figures where the scores could not be read.
        findings: one for each gate.
        temperature: fitted on the validation rows, for monitoring; answers stay plain softmax.
    """

    report: dict[str, Any]
    findings: tuple[Finding, ...]
    temperature: float


def evaluate(
    subject: str, dataset: Dataset, scores: Scores, settings: EvaluationSettings, *, progress: Progress = SILENT
) -> Evaluation:
    """Judges a model by its logits on rows it has never seen.

    Scores that cannot be read (misshapen, not finite, no rows) give the one finding ``evaluation.scores`` with verdict
    ERROR and nothing else is judged. The same in production's logits only leaves that one comparison unmeasured.

    Args:
        subject: ``name@version``, or what it is called before it has a version.
        dataset: the baseline is trained on its train rows; its test rows judge.

    Raises:
        MissingExtraError: the baseline is wanted and scikit-learn is not installed.
    """
    facts = {"subject": subject, "dataset": _dataset_facts(dataset), "settings": settings.model_dump()}
    fault = scores_fault(dataset, scores)
    if fault:
        findings: tuple[Finding, ...] = (gates.unmeasured(gates.SCORES, subject, fault),)
        return Evaluation(_document(facts, findings, {}), findings, temperature=1.0)
    figures = _measure(dataset, scores, settings)
    rivals = {}
    if settings.baseline:
        with progress.step("baseline"):
            rivals["baseline"] = _against_baseline(subject, dataset, scores, settings)
    if scores.production_logits is not None:
        rivals["production"] = _against_production(subject, dataset, scores, settings)
    findings = (
        _scores_read(subject, dataset),
        *_judge(subject, figures, settings),
        *(finding for finding, _ in rivals.values()),
    )
    measured = {
        **asdict(figures),
        **{name: asdict(comparison) for name, (_, comparison) in rivals.items() if comparison},
        "mistakes": _mistakes(dataset, scores.logits),
    }
    return Evaluation(_document(facts, findings, measured), findings, figures.calibration.temperature)


@dataclass(frozen=True, slots=True, eq=False)
class _Figures:
    """The model's own figures on the test rows; `confusion` is (labels, labels), row = true."""

    accuracy: Accuracy
    macro_f1: float
    area_under_roc: float | None
    classes: tuple[ClassScores, ...]
    confusion: list[list[int]]
    calibration: Calibration
    slices: tuple[Slice, ...]


def _measure(dataset: Dataset, scores: Scores, settings: EvaluationSettings) -> _Figures:
    truth, predicted = dataset.test.labels, label_indices(scores.logits)
    matrix = confusion(truth, predicted, len(dataset.labels))
    classes = class_scores(matrix, dataset.labels)
    temperature = fit_temperature(scores.validation_logits, dataset.validation.labels)
    return _Figures(
        accuracy=accuracy(predicted == truth, settings.confidence),
        macro_f1=macro_f1(classes),
        area_under_roc=area_under_roc(scores.logits, truth),
        classes=classes,
        confusion=matrix.tolist(),
        calibration=calibrate(scores.logits, truth, temperature),
        slices=slice_rows(dataset.test.domains, scores.token_lengths, predicted == truth, settings.confidence),
    )


def _judge(subject: str, figures: _Figures, settings: EvaluationSettings) -> tuple[Finding, ...]:
    return (
        gates.accuracy_floor(subject, figures.accuracy, settings),
        gates.f1_floor(subject, figures.classes, settings),
        gates.calibration_ceiling(subject, figures.calibration, settings),
        gates.slice_floor(subject, figures.slices, settings),
    )


def _against_baseline(
    subject: str, dataset: Dataset, scores: Scores, settings: EvaluationSettings
) -> tuple[Finding, Comparison | None]:
    truth, predicted = dataset.test.labels, label_indices(scores.logits)
    try:
        answers = predict_baseline(dataset)
    except DataError as error:
        return gates.unmeasured(gates.BEATS_BASELINE, subject, str(error)), None
    comparison = compare(BASELINE, truth, predicted, answers, settings.confidence)
    return gates.beats_baseline(subject, comparison, settings), comparison


def _against_production(
    subject: str, dataset: Dataset, scores: Scores, settings: EvaluationSettings
) -> tuple[Finding, Comparison | None]:
    rival = scores.production_ref or "production"
    logits = np.asarray(scores.production_logits)
    fault = logits_fault(logits, (len(dataset.test), len(dataset.labels)), f"test logits of {rival}")
    if fault:
        return gates.unmeasured(gates.NOT_WORSE_THAN_PRODUCTION, subject, fault), None
    truth, predicted = dataset.test.labels, label_indices(scores.logits)
    comparison = compare(rival, truth, predicted, label_indices(logits), settings.confidence)
    return gates.not_worse_than_production(subject, comparison, settings), comparison


def _scores_read(subject: str, dataset: Dataset) -> Finding:
    rows = len(dataset.test)
    reason = f"All {count(rows)} test rows have {len(dataset.labels)} finite logits."
    return Finding(gates.SCORES, subject, Verdict.PASS, reason, samples=rows)


def _mistakes(dataset: Dataset, logits: FloatArray) -> list[dict[str, Any]]:
    """The most confident errors, texts shortened."""
    rows, predicted = dataset.test, label_indices(logits)
    confidences = softmax(logits).max(axis=1)
    wrong = np.flatnonzero(predicted != rows.labels)
    ranked = wrong[np.argsort(-confidences[wrong], kind="stable")][:_MISTAKES]
    return [
        {
            "id": rows.ids[row],
            "text": shorten(rows.texts[row], _MISTAKE_LETTERS),
            "domain": rows.domains[row],
            "true": dataset.labels[rows.labels[row]],
            "answered": dataset.labels[predicted[row]],
            "confidence": float(confidences[row]),
        }
        for row in ranked.tolist()
    ]


def _dataset_facts(dataset: Dataset) -> dict[str, Any]:
    return {
        "name": dataset.name,
        "sha256": dataset.sha256,
        "labels": list(dataset.labels),
        "splits": {
            "train": _split_facts(dataset, dataset.train),
            "validation": _split_facts(dataset, dataset.validation),
            "test": _split_facts(dataset, dataset.test),
        },
    }


def _split_facts(dataset: Dataset, rows: LabelledRows) -> dict[str, Any]:
    by_label = np.bincount(rows.labels, minlength=len(dataset.labels)).tolist()
    return {"rows": len(rows), "by_label": dict(zip(dataset.labels, by_label, strict=True))}


def _document(facts: dict[str, Any], findings: tuple[Finding, ...], figures: dict[str, Any]) -> dict[str, Any]:
    return {**facts, "findings": [finding.to_json() for finding in findings], **figures}
