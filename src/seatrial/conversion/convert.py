"""Makes one artifact of a version: convert, load, ask, judge, write."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from seatrial.bundle import Bundle, Manifest, file_entries, files_sha256, write_bundle
from seatrial.config import ConversionSettings
from seatrial.conversion.converter import Conversion, Converter, converter_for
from seatrial.conversion.parity import Answers, ParityRows, check_parity, unmeasured
from seatrial.conversion.recipe import recipe_sha256, tool_versions
from seatrial.domain.errors import BundleError, InferenceError, UnsupportedModelError
from seatrial.domain.evidence import Finding, Verdict, worst
from seatrial.domain.inference import InferenceEngine
from seatrial.domain.model import Artifact, ArtifactFormat, Layout
from seatrial.domain.progress import SILENT, Progress
from seatrial.text.scoring import Company, score

__all__ = ["ConversionJob", "convert"]

_BATCH_SIZE = 32
_RANDOM_BATCH_SIZES = (8, 3, 17, 32)
"""Texts a call in each round of random company: sizes that traffic makes."""


@dataclass(frozen=True, slots=True, eq=False)
class ConversionJob:
    """What all artifacts of one version are made from.

    Attributes:
        source: the bundle that was registered.
        version: its number.
        directory: of the version; each artifact gets its own directory in it, named after the target.
        rows: what every artifact is compared on.
        load_engine: opens an artifact that was made; the engine is closed after use.
    """

    source: Bundle
    version: int
    directory: Path
    rows: ParityRows
    load_engine: Callable[[Bundle], InferenceEngine]


def convert(job: ConversionJob, target: str, settings: ConversionSettings, progress: Progress = SILENT) -> Bundle:
    """Makes an artifact, proves it against the source model, and writes it with its findings.

    An artifact that fails is written too, for inspection; its findings forbid serving it. An artifact that another
    starts from is made first. What was made before from the same bytes, with the same settings, rows, tools and code,
    is taken as it is. Killed at any moment it leaves nothing that looks whole, and the next call starts again.

    Args:
        target: ``onnx-fp32`` or ``onnx-int8``.

    Raises:
        UsageError: there is no such target.
        UnsupportedModelError: the source cannot be converted to it.
        ConversionError: a tool failed, or made something else than it should.
        StorageFullError: no room; nothing is left behind.
        MissingExtraError: the conversion tools are not installed.
    """
    converter = converter_for(target, settings)
    parent = job.source if converter.parent is None else convert(job, converter.parent, settings, progress)
    recipe = recipe_sha256(parent.manifest.artifact.sha256, converter, job.rows, settings)
    made_before = _made_before(job, target, recipe)
    if made_before is not None:
        return made_before
    draft = _draft(job, parent, target, converter)

    def fill(directory: Path) -> Manifest:
        with progress.step(f"make {target}"):
            made = converter.convert(parent, directory)
        complete = _completed(draft, directory, made, recipe)
        findings = _judge(Bundle(directory, complete), job, settings, progress)
        return replace(complete, findings=tuple(findings))

    return write_bundle(job.directory / target, draft, fill)


def _made_before(job: ConversionJob, target: str, recipe: str) -> Bundle | None:
    """The whole bundle this recipe made before; one whose answers could not be had is made again."""
    try:
        bundle = Bundle.open(job.directory / target)
    except BundleError:
        return None
    manifest = bundle.manifest
    same = (manifest.model, manifest.version) == (job.source.manifest.model, job.version)
    same = same and manifest.lineage.get("recipe_sha256") == recipe
    return bundle if same and worst(manifest.findings) is not Verdict.ERROR else None


def _draft(job: ConversionJob, parent: Bundle, target: str, converter: Converter) -> Manifest:
    """What is known of the artifact before it is made."""
    source = job.source.manifest
    artifact = Artifact(
        name=target,
        format=ArtifactFormat.ONNX,
        precision=converter.precision,
        layout=Layout.PADDED,  # until it is made
        sha256="",
        derived_from=parent.manifest.artifact.sha256,
    )
    lineage = {"source_sha256": source.artifact.sha256, "options": dict(converter.options), "tools": tool_versions()}
    return Manifest(source.model, job.version, artifact, source.signature, {}, source.pad_token_id, lineage=lineage)


def _completed(draft: Manifest, directory: Path, made: Conversion, recipe: str) -> Manifest:
    """The draft with what is known once the files are there."""
    files = file_entries(directory)
    artifact = replace(draft.artifact, sha256=files_sha256(files), profile=made.profile, layout=made.layout)
    lineage = {**draft.lineage, **made.lineage, "recipe_sha256": recipe}
    return replace(draft, files=files, artifact=artifact, lineage=lineage)


def _judge(artifact: Bundle, job: ConversionJob, settings: ConversionSettings, progress: Progress) -> list[Finding]:
    """The findings about an artifact; one that cannot be asked is one finding too."""
    manifest = artifact.manifest
    try:
        answers = _ask(artifact, job, settings, progress)
    except (InferenceError, UnsupportedModelError) as error:
        return [unmeasured(manifest.ref, str(error), len(job.rows))]
    return check_parity(manifest.ref, job.rows, answers, manifest.artifact.precision, settings)


def _ask(artifact: Bundle, job: ConversionJob, settings: ConversionSettings, progress: Progress) -> Answers:
    """The artifact's answers, in batches of like length and then in random ones."""
    name, pad_id, tokens = artifact.manifest.artifact.name, artifact.manifest.pad_token_id, job.rows.tokens
    engine = job.load_engine(artifact)
    try:
        logits = score(
            engine, tokens, pad_id=pad_id, batch_size=_BATCH_SIZE, progress=progress, title=f"compare {name}"
        )
        recomposed = [
            score(
                engine,
                tokens,
                pad_id=pad_id,
                batch_size=_RANDOM_BATCH_SIZES[number % len(_RANDOM_BATCH_SIZES)],
                company=Company.RANDOM,
                seed=settings.seed + number,
                progress=progress,
                title=f"compare {name} in random company, round {number + 1}",
            )
            for number in range(settings.composition_rounds)
        ]
    finally:
        engine.close()
    return Answers(logits, recomposed)
