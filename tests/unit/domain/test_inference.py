"""Ragged batches: packed, cut and joined as lists of lists would be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.domain.inference import TokenBatch

texts = st.lists(st.lists(st.integers(0, 2**40), max_size=8), max_size=8)


def as_lists(batch: TokenBatch) -> list[list[int]]:
    """The ids of each text."""
    return [batch.row(i).tolist() for i in range(len(batch))]


@given(texts)
def test_rows_come_back(rows: list[list[int]]) -> None:
    batch = TokenBatch.from_rows(rows)
    assert as_lists(batch) == rows
    assert batch.lengths.tolist() == [len(row) for row in rows]
    assert batch.tokens == sum(map(len, rows))
    assert len(batch) == len(rows)
    assert batch.ids.dtype == batch.offsets.dtype == np.int64


def test_rows_may_be_arrays() -> None:
    assert as_lists(TokenBatch.from_rows([np.array([1, 2]), np.array([3])])) == [[1, 2], [3]]  # type: ignore[list-item]


@given(texts)
def test_chosen_texts_come_in_the_order_given(rows: list[list[int]]) -> None:
    batch = TokenBatch.from_rows(rows)
    rng = np.random.default_rng(len(rows))
    chosen = rng.integers(0, len(rows), 12) if rows else np.zeros(0, np.int64)  # some twice, some not at all
    taken = batch.take(chosen)
    assert as_lists(taken) == [rows[i] for i in chosen]
    assert taken.ids.dtype == taken.offsets.dtype == np.int64


def test_taking_nothing() -> None:
    for batch in (TokenBatch.from_rows([[1], [2]]), TokenBatch.from_rows([])):
        assert as_lists(batch.take([])) == []
        assert batch.take([]).tokens == 0


@pytest.mark.parametrize("index", [-1, -3, 2, 100])
def test_a_text_that_is_not_there(index: int) -> None:
    with pytest.raises(IndexError):
        TokenBatch.from_rows([[1], [2, 3]]).take([0, index])


def test_what_is_taken_is_a_copy() -> None:
    batch = TokenBatch.from_rows([[1], [2, 3]])
    batch.take([0, 1]).ids[:] = 9
    assert as_lists(batch) == [[1], [2, 3]]


@given(st.lists(texts, max_size=4))
def test_batches_are_joined_in_order(batches: list[list[list[int]]]) -> None:
    joined = TokenBatch.concatenate([TokenBatch.from_rows(rows) for rows in batches])
    assert as_lists(joined) == [row for rows in batches for row in rows]
