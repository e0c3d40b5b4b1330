"""A project with a real ledger and index and an in-memory registry, for tests of flows: quick, and without torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from seatrial.bundle import Bundle
from seatrial.config import load_settings
from seatrial.domain.evidence import Finding, Verdict
from seatrial.domain.model import Lineage, ModelRegistry, ModelVersion
from seatrial.domain.release import Action, Decision
from seatrial.flows import record
from seatrial.registry.memory_registry import MemoryRegistry
from seatrial.wiring.workshop import Workshop
from tests.builders import SIGNATURE, onnx_bundle

MODEL = "tiny"


def open_workshop(
    directory: Path, registry: ModelRegistry | None = None, overrides: Mapping[str, object] | None = None
) -> Workshop:
    """A workshop over `directory`; a registry given keeps its state as a server would."""
    settings = load_settings(directory, environment={}, overrides={"model.name": MODEL, **(overrides or {})})
    workshop = Workshop(settings)
    workshop.registry = registry or MemoryRegistry(directory / "registry")
    return workshop


def promote(workshop: Workshop, number: int) -> None:
    """Puts a version into production as a decision does."""
    version = workshop.registry.get_version(workshop.settings.model.name, number)
    decision = Decision(Action.PROMOTE, version.ref, "A test promotes it.", (evaluation(version),))
    record.decided(workshop, version, decision)


def evaluation(version: ModelVersion, verdict: Verdict = Verdict.PASS) -> Finding:
    """A finding about a version."""
    return Finding("evaluation.accuracy_floor", version.ref, verdict, f"A test says {verdict.word}.", 0.9, 0.8, 100)


def parity(version: ModelVersion, artifact: str = "onnx-fp32", verdict: Verdict = Verdict.PASS) -> Finding:
    """A finding about an artifact."""
    subject = f"{version.ref}/{artifact}"
    return Finding("conversion.flip_rate", subject, verdict, f"A test says {verdict.word}.", 0.001, 0.005, 100)


def enrol(workshop: Workshop, seed: float = 1.0, verdict: Verdict = Verdict.PASS) -> ModelVersion:
    """Registers a version as `flows.develop` does, with one evaluation finding; another seed is another version."""
    model, directory = workshop.settings.model.name, workshop.settings.cache_dir / "made" / str(seed)
    source = onnx_bundle(directory, version=None, model=model, name="source", findings=(), sign=seed)
    lineage = Lineage(key=source.manifest.artifact.sha256)
    version = workshop.registry.create_version(model, SIGNATURE, lineage, directory)
    record.registered(workshop, version, source, lineage)
    finding = evaluation(version, verdict)
    record.found(workshop, version, [finding])
    if verdict is Verdict.PASS:
        record.nominate(workshop, version, [finding])
    return version


def make_artifact(
    workshop: Workshop, version: ModelVersion, artifact: str = "onnx-fp32", verdict: Verdict = Verdict.PASS
) -> Bundle:
    """Makes and records an artifact as `flows.deploy` does, with one parity finding."""
    directory = workshop.settings.bundles_dir / version.name / str(version.version) / artifact
    finding = parity(version, artifact, verdict)
    bundle = onnx_bundle(directory, version=version.version, model=version.name, name=artifact, findings=[finding])
    record.artifact_made(workshop, version, bundle)
    return bundle
