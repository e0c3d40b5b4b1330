"""A ragged batch laid out as the tensors an artifact takes."""

from __future__ import annotations

import numpy as np

from seatrial.domain.errors import UnsupportedModelError
from seatrial.domain.inference import IntArray, TokenBatch
from seatrial.domain.model import Layout

__all__ = ["lay_out"]


def lay_out(batch: TokenBatch, layout: Layout, pad_id: int = 0) -> dict[str, IntArray]:
    """The input tensors of a batch.

    Returns:
        For PADDED: ``input_ids`` and ``attention_mask``, both (texts, longest) int64.

    Raises:
        UnsupportedModelError: no layout of that name is built yet.

    Example:
        >>> lay_out(TokenBatch.from_rows([[5, 6], [7]]), Layout.PADDED)["input_ids"].tolist()
        [[5, 6], [7, 0]]
    """
    if layout is not Layout.PADDED:
        raise UnsupportedModelError(f"This release lays batches out as {Layout.PADDED}, not as {layout}.")
    lengths = batch.lengths
    real = np.arange(lengths.max(initial=0)) < lengths[:, None]  # (texts, longest)
    input_ids = np.full(real.shape, pad_id, np.int64)
    input_ids[real] = batch.ids
    return {"input_ids": input_ids, "attention_mask": real.astype(np.int64)}
