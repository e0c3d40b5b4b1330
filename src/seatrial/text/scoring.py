"""Many texts through an engine, outside the data plane: evaluation, parity and batch work."""

from __future__ import annotations

import enum
from collections.abc import Iterator

import numpy as np

from seatrial.domain.inference import FloatArray, InferenceEngine, IntArray, TokenBatch
from seatrial.domain.progress import SILENT, Progress
from seatrial.text.layout import lay_out

__all__ = ["Company", "score"]


class Company(enum.Enum):
    """Which texts share a batch: matters for speed, and for answers of dynamically quantised artifacts."""

    LENGTH = "length"
    ORDER = "order"
    RANDOM = "random"


def score(
    engine: InferenceEngine,
    batch: TokenBatch,
    *,
    pad_id: int = 0,
    batch_size: int = 32,
    company: Company = Company.LENGTH,
    seed: int = 0,
    progress: Progress = SILENT,
    title: str = "score",
) -> FloatArray:
    """Logits of every text, in the order of `batch`, whatever company they kept.

    Args:
        batch: all texts, tokenised.
        pad_id: fills padded cells.
        batch_size: texts a call.
        company: texts of similar length together (fastest), as they come, or at random by `seed`.

    Returns:
        (texts, labels) float32; (0, 0) where there are no texts to ask about.

    Raises:
        InferenceError: the engine failed.
    """
    chunks: list[FloatArray] = []
    order: list[IntArray] = []
    with progress.step(title, total=len(batch)) as step:
        for indices in _chunks(batch, batch_size, company, seed):
            inputs = lay_out(batch.take(indices), engine.artifact.layout, pad_id)
            chunks.append(engine.infer(inputs).logits)
            order.append(indices)
            step.advance(len(indices))
    if not chunks:
        return np.zeros((0, 0), np.float32)
    stacked = np.concatenate(chunks)
    logits = np.empty_like(stacked)
    logits[np.concatenate(order)] = stacked
    return logits


def _chunks(batch: TokenBatch, batch_size: int, company: Company, seed: int) -> Iterator[IntArray]:
    if company is Company.LENGTH:
        order = np.argsort(batch.lengths, kind="stable")
    elif company is Company.RANDOM:
        order = np.random.default_rng(seed).permutation(len(batch))
    else:
        order = np.arange(len(batch))
    for start in range(0, len(order), batch_size):
        yield np.asarray(order[start : start + batch_size], np.int64)
