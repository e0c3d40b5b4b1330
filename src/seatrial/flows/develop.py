"""Development: data preparation > training > evaluation > registration."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from seatrial.bundle import Bundle
from seatrial.domain.dataset import Dataset
from seatrial.domain.errors import BundleError, SourceError
from seatrial.domain.evidence import Finding, Verdict, worst
from seatrial.domain.model import Alias, Lineage, ModelVersion
from seatrial.domain.progress import Progress
from seatrial.flows import followers, record
from seatrial.flows.cache import StepCache, code_sha256, key_of
from seatrial.flows.lock import project_lock
from seatrial.flows.scores import identity_of, scores_of
from seatrial.wiring.workshop import Evaluated, Workshop

__all__ = ["Developed", "adopt", "develop", "prepared"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Developed:
    """A registered version and what was found about it.

    Attributes:
        report: the evaluation as HTML; the same figures stand beside it as JSON.
        metrics: the flat figures that were registered with it.
    """

    version: ModelVersion
    findings: tuple[Finding, ...]
    report: Path
    metrics: dict[str, float]

    @property
    def passed(self) -> bool:
        """Whether every finding is PASS."""
        return worst(self.findings) is Verdict.PASS


def develop(workshop: Workshop, progress: Progress) -> Developed:
    """Prepares, trains, evaluates and registers; what did not change is not done again."""
    with project_lock(workshop.settings.home, progress):
        dataset = prepared(workshop, progress)
        return _enrol(workshop, _trained(workshop, dataset, progress), dataset, progress)


def adopt(workshop: Workshop, origin: str, progress: Progress, labels: Sequence[str] = ()) -> Developed:
    """Takes a model that was trained elsewhere into the same life: evaluated on the project's rows and registered."""
    cache = StepCache(workshop.settings.cache_dir)
    with project_lock(workshop.settings.home, progress):
        destination = cache.directory_for("adopt", key_of(origin=origin, labels=labels)) / "source"
        with progress.step(f"adopt {origin}"):
            source = workshop.adopt(origin, labels, destination)
        return _enrol(workshop, source, prepared(workshop, progress), progress)


def prepared(workshop: Workshop, progress: Progress) -> Dataset:
    """The project's dataset: prepared once for the same settings, source and code."""
    cache = StepCache(workshop.settings.cache_dir)
    key = key_of(source=workshop.data_fingerprint(), code=code_sha256("seatrial.data"))
    directory = cache.directory_for("prepare", key) / "dataset"
    if cache.recall("prepare", key) is not None:
        try:
            return workshop.load_dataset(directory)
        except SourceError as error:
            _log.warning("prepared data discarded", extra={"reason": str(error)})
    dataset = workshop.prepare(directory, progress)
    cache.remember("prepare", key, {"sha256": dataset.sha256})
    return dataset


def _trained(workshop: Workshop, dataset: Dataset, progress: Progress) -> Bundle:
    """The source bundle of this dataset, these settings and this code."""
    cache = StepCache(workshop.settings.cache_dir)
    code = code_sha256("seatrial.training", "seatrial.text")
    training = workshop.training_fingerprint()
    key = key_of(data=dataset.sha256, training=training, code=code)
    directory = cache.directory_for("train", key)
    if cache.recall("train", key) is not None:
        try:
            return Bundle.open(directory / "source")
        except BundleError as error:
            _log.warning("trained model discarded", extra={"reason": str(error)})
    # Trainings that differ in nothing but where they stop share their checkpoints: the longer one goes on.
    steps = {name: value for name, value in training["settings"].items() if name != "stop_at_ratio"}
    work_key = key_of(data=dataset.sha256, training={**training, "settings": steps}, code=code)
    work = cache.directory_for("training", work_key)
    bundle = workshop.train(dataset, directory / "source", work, progress)
    cache.remember("train", key, {"sha256": bundle.manifest.artifact.sha256})
    if workshop.settings.training.stop_at_ratio == 1.0:
        shutil.rmtree(work, ignore_errors=True)  # checkpoints are of no use any more
    return bundle


def _evaluated(workshop: Workshop, source: Bundle, dataset: Dataset, progress: Progress) -> Evaluated:
    """The evaluation of a source bundle, made once for the same rows, settings, code and champion."""
    name = workshop.settings.model.name
    champion = record.production_source(workshop, name)
    if champion is not None and identity_of(champion) == identity_of(source):
        champion = None  # the same model: there is nothing to compare
    cache = StepCache(workshop.settings.cache_dir)
    key = key_of(
        model=identity_of(source),
        data=dataset.sha256,
        champion=champion and identity_of(champion),
        settings=workshop.settings.evaluation.model_dump(),
        code=code_sha256("seatrial.evaluation", "seatrial.stats", "seatrial.text", "seatrial.engines"),
    )
    known = _recalled(cache, key)
    if known is not None:
        return known
    scores = scores_of(workshop, source, dataset, progress)
    rival = None
    if champion is not None:
        number = workshop.store.aliases(name)[Alias.PRODUCTION]
        rival = (f"{name}@{number}", scores_of(workshop, champion, dataset, progress))
    evaluated = workshop.evaluate(dataset, scores, rival, progress)
    cache.remember("evaluate", key, {"report": evaluated.report, "temperature": evaluated.temperature})
    return evaluated


def _recalled(cache: StepCache, key: str) -> Evaluated | None:
    """An evaluation made before, None where there is none or its note is no evaluation any more."""
    try:
        found = cache.recall("evaluate", key) or {}
        findings = tuple(Finding.from_json(finding) for finding in found["report"]["findings"])
        return Evaluated(found["report"], findings, float(found["temperature"]))
    except (KeyError, TypeError, ValueError):
        return None


def _enrol(workshop: Workshop, source: Bundle, dataset: Dataset, progress: Progress) -> Developed:
    """Evaluates and registers a source bundle, and makes it the candidate if its findings allow."""
    name = workshop.settings.model.name
    followers.reconcile(workshop, name)
    evaluated = _evaluated(workshop, source, dataset, progress)
    origin = source.manifest.lineage
    lineage = Lineage(
        key=identity_of(source),
        data_sha256=origin["data_sha256"],
        code_revision=origin["code_revision"],
        parameters=origin["parameters"],
        metrics={**origin["metrics"], **evaluated.metrics},
        origin=origin["origin"],
    )
    with progress.step("register"):
        version = workshop.registry.create_version(name, source.manifest.signature, lineage, source.directory)
        evaluated = evaluated.about(version.ref)
        report = workshop.write_report(version, evaluated)
        record.registered(workshop, version, source, lineage)
        record.found(workshop, version, evaluated.findings)
        if worst(evaluated.findings) is Verdict.PASS:
            record.nominate(workshop, version, evaluated.findings)
        followers.anchor(workshop, name)
    return Developed(version, evaluated.findings, report, dict(lineage.metrics))
