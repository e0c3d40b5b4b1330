"""From token ids to logits, and the facts of each served request."""

from __future__ import annotations

import enum
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from seatrial.domain.assignment import Exposure
from seatrial.domain.model import Artifact
from seatrial.domain.release_counters import ReleasePlace

__all__ = [
    "EngineOutput",
    "FloatArray",
    "InferenceEngine",
    "IntArray",
    "MetricValue",
    "Outcome",
    "PredictionRecord",
    "RecordSink",
    "TokenBatch",
    "TrueLabel",
]

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class TokenBatch:
    """A ragged batch of token ids, special tokens included.

    Attributes:
        ids: (tokens,) int64, all texts end to end.
        offsets: (texts + 1,) int64; text i is ``ids[offsets[i]:offsets[i + 1]]``.
    """

    ids: IntArray
    offsets: IntArray

    @classmethod
    def from_rows(cls, rows: Sequence[Sequence[int]]) -> TokenBatch:
        """Packs one sequence of ids per text.

        Example:
            >>> batch = TokenBatch.from_rows([[101, 102], [101, 7, 102]])
            >>> len(batch), batch.tokens, batch.lengths.tolist()
            (2, 5, [2, 3])
        """
        if len(rows) == 1:  # most requests: a tenth of the time
            return cls(np.array(rows[0], np.int64), np.array((0, len(rows[0])), np.int64))
        offsets = _offsets(np.fromiter(map(len, rows), np.int64, len(rows)))
        return cls(np.fromiter(itertools.chain.from_iterable(rows), np.int64, int(offsets[-1])), offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def tokens(self) -> int:
        """How many tokens all texts have together."""
        return int(self.offsets[-1])

    @property
    def lengths(self) -> IntArray:
        """(texts,) int64: tokens of each text."""
        return np.diff(self.offsets)

    def row(self, index: int) -> IntArray:
        """(tokens of the text,) int64: the ids of one text."""
        return self.ids[self.offsets[index] : self.offsets[index + 1]]

    def take(self, indices: Sequence[int] | IntArray) -> TokenBatch:
        """The batch of the chosen texts, in the order given; the cost does not depend on the other texts.

        Raises:
            IndexError: an index is not one of 0 to the number of texts less one.

        Example:
            >>> TokenBatch.from_rows([[1], [2, 3], [4]]).take([1, 0]).ids.tolist()
            [2, 3, 1]
        """
        chosen = np.asarray(indices, np.int64)
        if chosen.size and chosen.min() < 0:
            raise IndexError(f"There is no text {chosen.min()}: texts are counted from 0.")
        starts = self.offsets[chosen]
        lengths = self.offsets[chosen + 1] - starts
        offsets = _offsets(lengths)
        # Where each token stood: the start of its text, and how far it is into the text.
        positions = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], lengths)
        return TokenBatch(self.ids[positions], offsets)

    def slice(self, start: int, stop: int) -> TokenBatch:
        """The texts `start` up to `stop`, without a copy of their ids.

        Example:
            >>> TokenBatch.from_rows([[1], [2, 3], [4]]).slice(1, 3).ids.tolist()
            [2, 3, 4]
        """
        offsets = self.offsets[start : stop + 1]
        return TokenBatch(self.ids[offsets[0] : offsets[-1]], offsets - offsets[0])

    @classmethod
    def concatenate(cls, batches: Sequence[TokenBatch]) -> TokenBatch:
        """All texts of all batches, in order."""
        if not batches:
            return cls(np.zeros(0, np.int64), np.zeros(1, np.int64))
        ids = np.concatenate([batch.ids for batch in batches])
        return cls(ids, _offsets(np.concatenate([batch.lengths for batch in batches])))


@dataclass(frozen=True, slots=True, eq=False)
class EngineOutput:
    """What an engine returns for a laid-out batch.

    Attributes:
        logits: (texts, labels) float32.
        pooled: (texts, hidden) float32, the representation the head reads, where the artifact gives it.
    """

    logits: FloatArray
    pooled: FloatArray | None = None


class InferenceEngine(Protocol):
    """A loaded artifact on one device. It knows nothing of queues, texts or HTTP, and may be called from any thread."""

    @property
    def artifact(self) -> Artifact:
        """The artifact that was loaded."""
        ...

    def infer(self, inputs: Mapping[str, IntArray]) -> EngineOutput:
        """Runs one batch laid out by ``text.layout`` for this artifact.

        Raises:
            InferenceError: the runtime failed, or its answer is not finite.
        """
        ...

    def close(self) -> None:
        """Gives memory back; a closed engine raises InferenceError when used. Closing twice is allowed."""
        ...


class Outcome(enum.StrEnum):
    """How a request ended; the values of the ``status`` label."""

    SUCCESS = "success"
    ERROR = "error"
    INVALID = "invalid"
    REJECTED = "rejected"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class PredictionRecord:
    """The facts of one request to the data plane; written once, when the response is handed over.

    Attributes:
        version: the version that answered, ``unknown`` when none was chosen.
        latency_s: from request received to last byte handed over.
        tokens: tokens of all its texts, special tokens included.
        queue_s: longest wait of its texts for an engine.
        inference_s: time inside the engine.
        labels: predicted label of each text.
        confidences: probability of that label, in the same order.
        traceparent: the trace that the client's request belongs to (W3C Trace Context), if it said so.
        place: where it was routed in a running release; None where there was none, or it named its version itself.
        exposure: where it belongs in a running experiment; None where its unit takes part in none, or it named its
            version itself.
    """

    request_id: str
    model: str
    version: str
    outcome: Outcome
    latency_s: float
    unit: str | None = None
    texts: int = 0
    tokens: int = 0
    queue_s: float = 0.0
    inference_s: float = 0.0
    labels: tuple[str, ...] = ()
    confidences: tuple[float, ...] = ()
    traceparent: str | None = None
    place: ReleasePlace | None = None
    exposure: Exposure | None = None


@dataclass(frozen=True, slots=True)
class TrueLabel:
    """Feedback: what the label of one text should have been.

    Attributes:
        index: place of the text in its request, from 0.
        model: what had answered; ``unknown``, like `version`, where that was forgotten or happened elsewhere.
    """

    request_id: str
    index: int
    label: str
    model: str = "unknown"
    version: str = "unknown"


@dataclass(frozen=True, slots=True)
class MetricValue:
    """Feedback: a figure about a unit, a request or both, such as what a session bought."""

    metric: str
    value: float
    unit: str | None = None
    request_id: str | None = None


class RecordSink(Protocol):
    """Receives each PredictionRecord exactly once; must not block and must not raise."""

    def record(self, record: PredictionRecord) -> None:
        """Takes the facts of one finished request."""
        ...


def _offsets(lengths: IntArray) -> IntArray:
    """(texts + 1,) int64: where each text begins, and where the last one ends."""
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets
