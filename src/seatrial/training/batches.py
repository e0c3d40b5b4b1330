"""Which rows meet in which training step: at random, but texts of like length together."""

from __future__ import annotations

import numpy as np

from seatrial.domain.inference import IntArray

__all__ = ["epoch_batches"]

_BUCKET_BATCHES = 50
"""Batches that are sorted by length together: enough to leave almost no padding, few enough to keep chance."""


def epoch_batches(lengths: IntArray, batch_size: int, seed: int, epoch: int) -> list[IntArray]:
    """The batches of one epoch, in order; every row stands in exactly one. Only (seed, epoch) decides the chance.

    Args:
        lengths: (rows,) tokens of each text.

    Returns:
        Arrays of row indices, of `batch_size` but for one that takes what is left over.

    Example:
        >>> [batch.tolist() for batch in epoch_batches(np.array([9, 2, 8, 3, 5]), 2, seed=0, epoch=0)]
        [[0], [1, 3], [4, 2]]
    """
    rng = np.random.default_rng([seed, epoch])
    shuffled = rng.permutation(len(lengths))
    batches: list[IntArray] = []
    bucket = batch_size * _BUCKET_BATCHES
    for start in range(0, len(shuffled), bucket):
        rows = shuffled[start : start + bucket]
        rows = rows[np.argsort(lengths[rows], kind="stable")]
        batches += [rows[first : first + batch_size] for first in range(0, len(rows), batch_size)]
    return [batches[index] for index in rng.permutation(len(batches))]
