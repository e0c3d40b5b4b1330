"""What goes through the queue and what comes out: the batcher knows neither texts nor models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy.typing as npt

__all__ = ["BatchFacts", "Payload", "Rows", "Scored", "Scorer"]

Rows = Sequence[Any] | npt.NDArray[Any]
"""One result a text."""


class Payload(Protocol):
    """What a request asks about: texts of any form that can be counted, cut and put together.

    `TokenBatch` is one; `serving.handlers` has another, for people's own code.
    """

    @property
    def offsets(self) -> Any:
        """(texts + 1,) array of tokens before each text, and of all; what a text costs is its number of tokens."""
        ...

    def __len__(self) -> int: ...

    def slice(self, start: int, stop: int) -> Self:
        """The texts `start` up to `stop`."""
        ...

    @classmethod
    def concatenate(cls, batches: Sequence[Self]) -> Self:
        """All texts of all parts, in order."""
        ...


class Scorer(Protocol):
    """What answers a batch: a variant of the data plane."""

    @property
    def pads(self) -> bool:
        """Whether texts of a batch are padded to the longest one."""
        ...

    def score(self, payload: Any, *, all_cores: bool = False) -> Rows:
        """One result for each text, in order; called from worker threads, may raise anything.

        Args:
            all_cores: nothing else runs, so the engine may use the whole machine.
        """
        ...


@dataclass(frozen=True, slots=True)
class BatchFacts:
    """What a batch was like, for the metrics."""

    texts: int
    tokens: int
    padding_ratio: float


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """What a caller gets.

    Attributes:
        parts: what the scorer returned, one sequence for each batch that had texts of the caller, in the order of the
            caller's texts.
        queue_s: longest wait of its texts for an engine.
        inference_s: time its texts spent inside engines.
    """

    parts: Sequence[Rows]
    queue_s: float
    inference_s: float
