"""The deployment test of a version: what it is asked about, and the limits its answers are held against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seatrial.bundle import Bundle
from seatrial.config import Settings
from seatrial.domain.evidence import Finding
from seatrial.domain.progress import Progress

if TYPE_CHECKING:
    from seatrial.acceptance.subject import Start, Subject
    from seatrial.wiring.workshop import Scores

__all__ = ["Accepted", "accept"]

_ROWS = 512
"""Evaluation rows that loads send."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A deployment test as flows pass it on.

    Attributes:
        report: the page for people; the same figures stand beside it as JSON.
        document: the JSON.
    """

    findings: tuple[Finding, ...]
    document: dict[str, Any]
    report: Path


def accept(
    settings: Settings,
    bundle: Bundle,
    asked: tuple[Scores, Sequence[str]],
    start: Start,
    progress: Progress,
    *,
    quick: bool = False,
) -> Accepted:
    """Tests a bundle in a process of its own, and writes the report.

    Args:
        bundle: what is served.
        asked: what its source answered to the frozen rows, and their texts.
        start: starts the process with the project's settings.
        quick: with shorter windows.

    Raises:
        SourceError: no row can be sent.
        StorageFullError: no room for the report.
    """
    from seatrial.acceptance.report import trial_document, write_report
    from seatrial.acceptance.trial import quicker, try_version

    section = quicker(settings.acceptance) if quick else settings.acceptance
    trial = try_version(_subject(settings, bundle, *asked), start, section, progress)
    manifest = bundle.manifest
    report = write_report(trial, settings.home / "reports" / manifest.model / str(manifest.version))
    return Accepted(trial.findings, trial_document(trial), report)


def _subject(settings: Settings, bundle: Bundle, scores: Scores, texts: Sequence[str]) -> Subject:
    from seatrial.acceptance.subject import Limits, Subject, choose_rows
    from seatrial.domain.model import Precision
    from seatrial.text.labels import softmax

    manifest, serving, conversion = bundle.manifest, settings.serving, settings.conversion
    labels = manifest.signature.labels
    quantised = manifest.artifact.precision is not Precision.FP32
    rows = choose_rows(texts, softmax(scores.test_logits), labels, count=_ROWS, longest_chars=serving.max_text_chars)
    return Subject(
        ref=manifest.ref,
        model=manifest.model,
        version=str(manifest.version),
        labels=labels,
        rows=rows,
        limits=Limits(
            serving.max_texts,
            serving.max_queue_texts,
            min(serving.max_length, manifest.signature.max_tokens),
            serving.drain_delay_s + serving.drain_s,
        ),
        max_length=min(settings.evaluation.max_length, manifest.signature.max_tokens),
        probability_limit=None if quantised else conversion.fp32_probability_limit,
        flip_rate_limit=conversion.flip_rate_limit,
        confidence=conversion.confidence,
    )
