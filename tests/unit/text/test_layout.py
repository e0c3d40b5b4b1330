"""Laying a ragged batch out: every id in its row, the rest padded and masked."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.domain.errors import InvalidRequestError
from seatrial.domain.inference import TokenBatch
from seatrial.domain.model import Layout, Signature
from seatrial.text.layout import AXES, EMPTY, graph_inputs, lay_out, shared_rows

SIGNATURE = Signature(("no", "yes"), 128)
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


lengths = st.lists(st.integers(1, 20), max_size=12)
one_long = st.builds(lambda short, long: [*short, long], st.lists(st.integers(1, 3), max_size=9), st.integers(30, 60))
equal = st.builds(lambda length, texts: [length] * texts, st.integers(1, 20), st.integers(1, 9))


@given(lengths | one_long | equal, st.randoms(use_true_random=False))
def test_a_packed_layout_has_every_token_in_one_cell_beside_its_own_text(sizes: list[int], random: Random) -> None:
    texts = [[random.randrange(2**40) for _ in range(size)] for size in sizes]
    tensors = {name: tensor.tolist() for name, tensor in lay_out(TokenBatch.from_rows(texts), Layout.PACKED).items()}
    assert tensors["input_ids"] == [token for text in texts for token in text]
    assert tensors["position_ids"] == [position for text in texts for position in range(len(text))]
    assert [tensors["input_ids"][token] for token in tensors["first_tokens"]] == [text[0] for text in texts]
    cells = [token for row in tensors["cell_tokens"] for token in row]
    owners = [text for row in tensors["cell_texts"] for text in row]
    assert sorted(cells) == [EMPTY] * (len(cells) - sum(sizes)) + list(range(sum(sizes)))
    assert [cells[cell] for cell in tensors["token_cells"]] == list(range(sum(sizes)))
    text_of_token = [text for text, size in enumerate(sizes) for _ in range(size)]
    assert owners == [EMPTY if token == EMPTY else text_of_token[token] for token in cells]
    slots = [text for row in tensors["slot_texts"] for text in row]
    assert sorted(text for text in slots if text != EMPTY) == list(range(len(texts)))
    assert [slots[slot] for slot in tensors["text_slots"]] == list(range(len(texts)))
    for row, members in zip(tensors["cell_texts"], tensors["slot_texts"], strict=True):
        assert set(row) - {EMPTY} == set(members) - {EMPTY}, "a text is in the row of its slot"


@given(lengths | one_long | equal)
def test_rows_hold_their_texts_and_cost_no_more_than_a_row_a_text(sizes: list[int]) -> None:
    rows, width = shared_rows(sizes)
    assert sorted(text for row in rows for text in row) == list(range(len(sizes)))
    assert all(sum(sizes[text] for text in row) <= width for row in rows)
    assert len(rows) * width**2 <= len(sizes) * max(sizes, default=0) ** 2


@pytest.mark.parametrize("layout", Layout)
def test_tensors_are_as_their_axes_say(layout: Layout) -> None:
    tensors = lay_out(TokenBatch.from_rows([[5, 6, 7, 8], [7], [4, 4]]), layout)
    assert list(tensors) == list(AXES[layout]) == [spec.name for spec in graph_inputs(SIGNATURE, layout)]
    sizes: dict[str, set[int]] = {}
    for name, tensor in tensors.items():
        assert tensor.dtype == np.int64
        for axis, size in zip(AXES[layout][name], tensor.shape, strict=True):
            sizes.setdefault(axis, set()).add(size)
    assert all(len(found) == 1 for found in sizes.values())


def test_a_text_without_tokens_has_no_packed_layout() -> None:
    with pytest.raises(InvalidRequestError, match="at least one token"):
        lay_out(TokenBatch.from_rows([[1], []]), Layout.PACKED)
