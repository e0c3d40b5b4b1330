from __future__ import annotations

import numpy as np

from seatrial.domain.inference import IntArray
from seatrial.training.batches import epoch_batches


def _lengths(rows: int) -> IntArray:
    return np.random.default_rng(0).integers(3, 49, rows)


def test_every_row_stands_in_exactly_one_batch() -> None:
    batches = epoch_batches(_lengths(2005), 32, seed=1, epoch=0)
    assert sorted(np.concatenate(batches).tolist()) == list(range(2005))
    assert sorted(map(len, batches)) == [21, *[32] * 62]


def test_the_order_depends_on_seed_and_epoch_and_nothing_else() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        np.random.default_rng().random()
        return np.concatenate(epoch_batches(_lengths(500), 32, seed, epoch)).tolist()  # type: ignore[no-any-return]

    assert order(1, 0) == order(1, 0)
    assert order(1, 0) != order(1, 1)
    assert order(1, 0) != order(2, 0)


def test_texts_of_like_length_share_a_batch() -> None:
    lengths = _lengths(3200)
    batches = epoch_batches(lengths, 32, seed=0, epoch=0)
    padded = sum(int(lengths[batch].max()) * len(batch) for batch in batches)
    at_random = sum(int(lengths[start : start + 32].max()) * 32 for start in range(0, 3200, 32))
    assert padded < 1.05 * lengths.sum() < at_random


def test_long_and_short_batches_come_mixed() -> None:
    lengths = _lengths(1600)
    means = [lengths[batch].mean() for batch in epoch_batches(lengths, 32, seed=0, epoch=0)]
    assert means != sorted(means)
    assert means != sorted(means, reverse=True)
