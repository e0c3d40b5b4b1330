"""A model's logits on the frozen rows, computed once per model and dataset."""

from __future__ import annotations

import numpy as np

from seatrial.bundle import Bundle, storage_errors
from seatrial.domain.dataset import Dataset
from seatrial.domain.errors import LabelError
from seatrial.domain.progress import Progress
from seatrial.flows.cache import StepCache, code_sha256, key_of
from seatrial.text.scoring import score
from seatrial.text.tokenizer import Tokenizer
from seatrial.wiring.workshop import Scores, Workshop

__all__ = ["scores_of"]


def scores_of(workshop: Workshop, source: Bundle, dataset: Dataset, progress: Progress) -> Scores:
    """Scores the validation and test rows with a source bundle, or recalls what was scored before.

    Raises:
        LabelError: the model's labels are not the dataset's.
        StorageFullError: no room for the scores.
    """
    signature = source.manifest.signature
    if signature.labels != dataset.labels:
        raise LabelError(
            f"The model answers {list(signature.labels)}, the evaluation rows are labelled {list(dataset.labels)}: "
            "set data.labels to the model's labels in the model's order."
        )
    length = workshop.settings.evaluation.max_length
    tokenizer = Tokenizer.from_file(source.tokenizer_path, signature.max_tokens)
    tokens = tokenizer.encode(dataset.test.texts, length)
    cache = StepCache(workshop.settings.cache_dir)
    key = key_of(
        model=source.manifest.artifact.sha256,
        data=dataset.sha256,
        max_length=length,
        code=code_sha256("seatrial.text", "seatrial.engines"),
    )
    path = cache.directory_for("score", key) / "logits.npz"
    if cache.recall("score", key) is None:
        batches = {"validation": tokenizer.encode(dataset.validation.texts, length), "test": tokens}
        engine = workshop.load_engine(source)
        try:
            logits = {
                split: score(
                    engine,
                    batch,
                    pad_id=source.manifest.pad_token_id,
                    batch_size=workshop.settings.evaluation.batch_size,
                    progress=progress,
                    title=f"score {split} rows",
                )
                for split, batch in batches.items()
            }
        finally:
            engine.close()
        with storage_errors(f"write {path}"):
            np.savez(path, allow_pickle=False, **logits)
        cache.remember("score", key, {"rows": len(tokens)})
    stored = np.load(path, allow_pickle=False)
    return Scores(source, tokens, stored["test"], stored["validation"], dataset.test.labels)
