"""Accuracy on parts of the test rows: an average hides the group a model fails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seatrial.domain.inference import IntArray
from seatrial.evaluation.metrics import Accuracy, accuracy

__all__ = ["Slice", "slice_rows"]

_LENGTH_EDGES = (8, 16, 32, 64)  # tokens: the last of each bucket, special tokens included


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of the test rows.

    Attributes:
        kind: what the rows have in common: ``domain`` or ``length``.
        name: which of that kind.
        accuracy: how the model fared on them.
    """

    kind: str
    name: str
    accuracy: Accuracy


def slice_rows(
    domains: Sequence[str], token_lengths: IntArray, right: npt.NDArray[np.bool_], confidence: float
) -> tuple[Slice, ...]:
    """The slices that have rows: by domain, sorted by name, then by length in tokens.

    Args:
        domains: of each row; rows without one are left out, so that a source without domains has no such slices.
        token_lengths: (rows,) tokens of each text, special tokens included.
        right: (rows,) whether the answer was right.
        confidence: of the intervals.

    Example:
        >>> found = slice_rows(["film", "film", ""], np.array([5, 70, 6]), np.array([True, False, True]), 0.95)
        >>> [(s.kind, s.name, s.accuracy.ratio) for s in found]
        [('domain', 'film', 0.5), ('length', '1-8 tokens', 1.0), ('length', '65+ tokens', 0.0)]
    """
    names = {name: place for place, name in enumerate(sorted(set(domains)))}
    places = np.fromiter((names[name] for name in domains), np.int64, len(domains))
    buckets = np.searchsorted(_LENGTH_EDGES, token_lengths)
    by_domain = [
        Slice("domain", name, accuracy(right[places == place], confidence)) for name, place in names.items() if name
    ]
    by_length = [
        Slice("length", _bucket_name(bucket), accuracy(right[buckets == bucket], confidence))
        for bucket in np.unique(buckets).tolist()
    ]
    return (*by_domain, *by_length)


def _bucket_name(bucket: int) -> str:
    first = _LENGTH_EDGES[bucket - 1] + 1 if bucket else 1
    last = f"-{_LENGTH_EDGES[bucket]}" if bucket < len(_LENGTH_EDGES) else "+"
    return f"{first}{last} tokens"
