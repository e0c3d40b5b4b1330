"""A ragged batch laid out as the tensors an artifact takes.

PADDED is what most graphs take: every text filled up to the longest. PACKED has no padding: all tokens end to end, and
indices that tell attention, the only place where texts meet, which token sits where. There the texts lie in *rows* as
wide as the longest; several short ones share a row, and none sees another, so that hardly a cell is empty.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from seatrial.domain.errors import InvalidRequestError
from seatrial.domain.inference import IntArray, TokenBatch
from seatrial.domain.model import Layout, Signature, TensorSpec

__all__ = ["AXES", "EMPTY", "graph_inputs", "lay_out", "shared_rows"]

EMPTY = -1
"""What an index tensor holds where there is nothing. Runtimes read it as the last element, and the graph masks it."""

AXES: Mapping[Layout, Mapping[str, tuple[str, ...]]] = {
    Layout.PADDED: {"input_ids": ("texts", "longest"), "attention_mask": ("texts", "longest")},
    Layout.PACKED: {
        "input_ids": ("tokens",),
        "position_ids": ("tokens",),
        "cell_tokens": ("rows", "width"),
        "cell_texts": ("rows", "width"),
        "token_cells": ("tokens",),
        "first_tokens": ("texts",),
        "slot_texts": ("rows", "slots"),
        "text_slots": ("texts",),
    },
}
"""The tensors of each layout, and what their axes count: axes of one name have one size."""


def graph_inputs(signature: Signature, layout: Layout) -> tuple[TensorSpec, ...]:
    """The tensors a graph of that layout takes; the signature states what clients send, whatever the layout.

    Example:
        >>> [spec.name for spec in graph_inputs(Signature(("no", "yes"), 128), Layout.PACKED)][:2]
        ['input_ids', 'position_ids']
    """
    if layout is Layout.PADDED:
        return signature.inputs
    return tuple(TensorSpec(name, "INT64", (-1,) * len(axes)) for name, axes in AXES[layout].items())


def lay_out(batch: TokenBatch, layout: Layout, pad_id: int = 0) -> dict[str, IntArray]:
    """The input tensors of a batch, all int64.

    Args:
        pad_id: fills padded cells; PACKED has none.

    Returns:
        For PADDED: ``input_ids`` and ``attention_mask``, both (texts, longest).

        For PACKED, where a cell is a place in a row of attention and a slot the place of a whole text in its row:

        - ``input_ids`` (tokens,): all texts end to end;
        - ``position_ids`` (tokens,): the place of each token in its own text, from 0;
        - ``cell_tokens``, ``cell_texts`` (rows, width): which token, and hence which text, is in a cell, else `EMPTY`;
        - ``token_cells`` (tokens,): the cell of each token, cells counted through all rows;
        - ``first_tokens`` (texts,): the first token of each text;
        - ``slot_texts`` (rows, slots): the texts of each row, else `EMPTY`;
        - ``text_slots`` (texts,): the slot of each text, slots counted through all rows.

    Raises:
        InvalidRequestError: a text has no tokens, which only PADDED can say.

    Example:
        >>> batch = TokenBatch.from_rows([[5, 6, 4], [7], [8]])
        >>> lay_out(batch, Layout.PADDED)["input_ids"].tolist()
        [[5, 6, 4], [7, 0, 0], [8, 0, 0]]
        >>> packed = lay_out(batch, Layout.PACKED)
        >>> packed["input_ids"].tolist(), packed["cell_tokens"].tolist()
        ([5, 6, 4, 7, 8], [[0, 1, 2], [3, 4, -1]])
    """
    if layout is Layout.PACKED:
        return _pack(batch)
    lengths = batch.lengths
    real = np.arange(lengths.max(initial=0)) < lengths[:, None]  # (texts, longest)
    input_ids = np.full(real.shape, pad_id, np.int64)
    input_ids[real] = batch.ids
    return {"input_ids": input_ids, "attention_mask": real.astype(np.int64)}


def shared_rows(lengths: Sequence[int]) -> tuple[list[list[int]], int]:
    """Which texts lie side by side in which row of attention, and how wide rows are.

    First fit, longest first, in rows as wide as the longest text; all in one row where that leaves less to compute.
    Attention costs the square of the width for each row.

    Args:
        lengths: tokens of each text.

    Returns:
        The texts of each row in their order, and the width in tokens.

    Source: D. S. Johnson, "Near-optimal bin packing algorithms", 1973: at most 11/9 of the fewest rows, and one.

    Example:
        >>> shared_rows([3, 9, 5, 4, 2])
        ([[1], [2, 3], [0, 4]], 9)
        >>> shared_rows([9, 1, 2, 8, 1, 4, 8, 3])[0]
        [[0], [3, 1], [6, 4], [5, 7, 2]]
    """
    width = max(lengths, default=0)
    rows: list[list[int]] = []
    room: list[int] = []  # tokens left in each row
    for text in sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True):
        length = lengths[text]
        for row, left in enumerate(room):
            if length <= left:
                rows[row].append(text)
                room[row] = left - length
                break
        else:
            rows.append([text])
            room.append(width - length)
    total = sum(lengths)
    if len(rows) > 1 and total * total < len(rows) * width * width:
        return [list(range(len(lengths)))], total
    return rows, width


def _pack(batch: TokenBatch) -> dict[str, IntArray]:
    lengths = batch.lengths
    if not lengths.all():
        raise InvalidRequestError("A text without a single token cannot be read: send at least one token a text.")
    rows, width = shared_rows(lengths.tolist())
    slots = max(map(len, rows), default=0)
    first_tokens, texts = batch.offsets[:-1], np.arange(len(batch))
    slot_texts = np.full((len(rows), slots), EMPTY, np.int64)
    text_slots = np.empty(len(batch), np.int64)
    first_cells = np.empty(len(batch), np.int64)
    for row, members in enumerate(rows):
        cell = row * width
        for slot, text in enumerate(members):
            slot_texts[row, slot] = text
            text_slots[text] = row * slots + slot
            first_cells[text] = cell
            cell += int(lengths[text])
    tokens = np.arange(batch.tokens)
    token_cells = tokens + (first_cells - first_tokens).repeat(lengths)
    cell_tokens = np.full(len(rows) * width, EMPTY, np.int64)
    cell_tokens[token_cells] = tokens
    cell_texts = np.full(len(rows) * width, EMPTY, np.int64)
    cell_texts[token_cells] = texts.repeat(lengths)
    return {
        "input_ids": batch.ids,
        "position_ids": tokens - first_tokens.repeat(lengths),
        "cell_tokens": cell_tokens.reshape(len(rows), width),
        "cell_texts": cell_texts.reshape(len(rows), width),
        "token_cells": token_cells,
        "first_tokens": first_tokens,
        "slot_texts": slot_texts,
        "text_slots": text_slots,
    }
