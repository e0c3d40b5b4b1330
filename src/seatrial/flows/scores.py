"""A model's logits on the frozen rows, computed once per model and dataset."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from seatrial.bundle import Bundle, storage_errors
from seatrial.domain.dataset import Dataset
from seatrial.domain.errors import LabelError
from seatrial.domain.inference import FloatArray, TokenBatch
from seatrial.domain.progress import Progress
from seatrial.flows.cache import StepCache, code_sha256, key_of
from seatrial.text.scoring import score
from seatrial.text.tokenizer import Tokenizer
from seatrial.wiring.workshop import Scores, Workshop

__all__ = ["identity_of", "scores_of"]


def identity_of(source: Bundle) -> str:
    """Digest of everything a source's answers depend on: its files, its labels and limits, how it is padded.

    The same files under other labels are another model.
    """
    manifest = source.manifest
    return key_of(
        files=manifest.artifact.sha256, signature=manifest.signature.to_json(), pad_token_id=manifest.pad_token_id
    )


def scores_of(workshop: Workshop, source: Bundle, dataset: Dataset, progress: Progress) -> Scores:
    """Scores the validation and test rows with a source bundle, or recalls what was scored before.

    Raises:
        LabelError: the model's labels are not the dataset's.
        InferenceError: the model does not answer, or not with finite numbers.
        StorageFullError: no room for the scores.
    """
    signature = source.manifest.signature
    if signature.labels != dataset.labels:
        raise LabelError(
            f"{source.manifest.ref} answers {list(signature.labels)}, the evaluation rows are labelled "
            f"{list(dataset.labels)}: set data.labels to the model's labels in the model's order, or give a model of "
            "another task another model.name."
        )
    length = workshop.settings.evaluation.max_length
    tokenizer = Tokenizer.from_file(source.tokenizer_path, signature.max_tokens)
    tokens = {name: tokenizer.encode(dataset.splits[name].texts, length) for name in ("validation", "test")}
    cache = StepCache(workshop.settings.cache_dir)
    key = key_of(
        model=identity_of(source),
        data=dataset.sha256,
        max_length=length,
        code=code_sha256("seatrial.text", "seatrial.engines"),
    )
    path = cache.directory_for("score", key) / "logits.npz"
    logits = _stored(path, tokens) if cache.recall("score", key) is not None else None
    if logits is None:
        logits = _scored(workshop, source, tokens, progress)
        with storage_errors(f"write {path}"):
            np.savez(path, allow_pickle=False, **logits)
        cache.remember("score", key, {"rows": len(tokens["test"])})
    return Scores(source, tokens["test"], logits["test"], logits["validation"], dataset.test.labels)


def _scored(
    workshop: Workshop, source: Bundle, tokens: Mapping[str, TokenBatch], progress: Progress
) -> dict[str, FloatArray]:
    """Logits (rows, labels) float32 of each split."""
    engine = workshop.load_engine(source)
    try:
        return {
            split: score(
                engine,
                batch,
                pad_id=source.manifest.pad_token_id,
                batch_size=workshop.settings.evaluation.batch_size,
                progress=progress,
                title=f"score {split} rows",
            )
            for split, batch in tokens.items()
        }
    finally:
        engine.close()


def _stored(path: Path, tokens: Mapping[str, TokenBatch]) -> dict[str, FloatArray] | None:
    """The logits of an earlier scoring, None where they cannot be read or are not of these rows."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            logits = {split: archive[split] for split in tokens}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    whole = all(logits[split].shape[:1] == (len(batch),) for split, batch in tokens.items())
    return logits if whole else None
