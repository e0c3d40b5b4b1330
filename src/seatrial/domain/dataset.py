"""Labelled rows, split once and for all: what training and evaluation both start from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from seatrial.domain.inference import IntArray

__all__ = ["Dataset", "LabelledRows"]


@dataclass(frozen=True, slots=True, eq=False)
class LabelledRows:
    """Rows of one split, columns of equal length.

    Attributes:
        ids: stable identity of each row.
        texts: what the model reads.
        labels: (rows,) int64, index into the dataset's labels.
        groups: rows of one group stay on one side of every split.
        domains: where each row is from, for slices; empty strings where the source does not say.
    """

    ids: tuple[str, ...]
    texts: tuple[str, ...]
    labels: IntArray
    groups: tuple[str, ...]
    domains: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Cleaned rows in three splits that share no text and no group.

    Attributes:
        name: of the source.
        labels: names of the classes, in the order the label indices mean.
        test: the frozen evaluation rows: nothing is ever fitted on them.
        sha256: digest over all rows of all splits: equal digests mean equal data.
        card: the data card: rows, balance, lengths, licence, digests; JSON-serialisable.
        profile: the reference profile drift detection compares live traffic with; JSON-serialisable.
    """

    name: str
    labels: tuple[str, ...]
    train: LabelledRows
    validation: LabelledRows
    test: LabelledRows
    sha256: str
    card: Mapping[str, Any] = field(default_factory=dict)
    profile: Mapping[str, Any] = field(default_factory=dict)

    @property
    def splits(self) -> Mapping[str, LabelledRows]:
        """The splits by name, in the order of their use."""
        return {"train": self.train, "validation": self.validation, "test": self.test}
