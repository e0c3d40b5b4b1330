"""Laying a ragged batch out: every id in its row, the rest padded and masked."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.domain.errors import UnsupportedModelError
from seatrial.domain.inference import TokenBatch
from seatrial.domain.model import Layout
from seatrial.text.layout import lay_out

rows = st.lists(st.lists(st.integers(0, 2**40), max_size=12), max_size=6)


@given(rows, st.integers(0, 5))
def test_a_padded_layout_keeps_every_id_in_its_row(texts: list[list[int]], pad_id: int) -> None:
    tensors = lay_out(TokenBatch.from_rows(texts), Layout.PADDED, pad_id)
    input_ids, mask = tensors["input_ids"], tensors["attention_mask"]
    longest = max(map(len, texts), default=0)
    assert set(tensors) == {"input_ids", "attention_mask"}
    assert input_ids.shape == mask.shape == (len(texts), longest)
    assert input_ids.dtype == mask.dtype == np.int64
    for text, ids, real in zip(texts, input_ids.tolist(), mask.tolist(), strict=True):
        assert real == [1] * len(text) + [0] * (longest - len(text))
        assert ids == text + [pad_id] * (longest - len(text))


def test_the_batch_is_not_changed() -> None:
    batch = TokenBatch.from_rows([[5, 6], [7]])
    lay_out(batch, Layout.PADDED)["input_ids"][:] = 9
    assert batch.ids.tolist() == [5, 6, 7]


def test_a_layout_that_is_not_built_is_refused() -> None:
    with pytest.raises(UnsupportedModelError, match="as padded, not as packed"):
        lay_out(TokenBatch.from_rows([[1]]), Layout.PACKED)
