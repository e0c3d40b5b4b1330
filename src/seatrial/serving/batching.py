"""Which waiting texts form the next batch: pure rules, without a clock, a thread or an event loop."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from seatrial.domain.inference import IntArray

__all__ = ["Batch", "BatchPolicy", "DrainRate", "Line", "Queued", "Slice", "next_batch", "padding_ratio"]

_MEMORY_RATIO = 0.9
"""What is kept of the drain rate's memory at each batch: about the last ten batches count."""
_LONGEST_RETRY_S = 60.0


@dataclass(frozen=True, slots=True)
class BatchPolicy:
    """How batches are cut.

    Attributes:
        max_texts: most texts in one engine call.
        workers: how many engine calls run at the same time.
    """

    max_texts: int
    workers: int


@dataclass(slots=True, eq=False)
class Queued:
    """One caller's place in the line.

    Attributes:
        variant: what must answer; compared by identity.
        texts: how many texts the caller has.
        deadline_s: moment from which on no engine may take them, on the clock that `next_batch` is given.
        taken: how many of the texts engines have taken, first ones first.
    """

    variant: Any
    texts: int
    deadline_s: float
    taken: int = 0

    @property
    def remaining(self) -> int:
        """Texts that still wait."""
        return self.texts - self.taken


CallerT = TypeVar("CallerT", bound=Queued)


@dataclass(frozen=True, slots=True, eq=False)
class Slice(Generic[CallerT]):
    """Texts ``start`` up to ``stop`` of one caller."""

    caller: CallerT
    start: int
    stop: int


@dataclass(frozen=True, slots=True, eq=False)
class Batch(Generic[CallerT]):
    """Texts of one variant for one engine call, in the order their callers came."""

    slices: tuple[Slice[CallerT], ...]

    @property
    def texts(self) -> int:
        """Texts of all slices."""
        return sum(part.stop - part.start for part in self.slices)


class Line(Generic[CallerT]):
    """Callers with waiting texts, oldest first; any of them may leave at any time, at no cost to the others."""

    def __init__(self) -> None:
        # A linked list with an index: callers leave from the middle when they are cancelled or served out of turn.
        self._callers: OrderedDict[CallerT, None] = OrderedDict()
        self.texts = 0

    def __iter__(self) -> Iterator[CallerT]:
        return iter(self._callers)

    def add(self, caller: CallerT) -> None:
        """Puts a caller at the end."""
        self._callers[caller] = None
        self.texts += caller.remaining

    def take(self, batch: Batch[CallerT]) -> None:
        """Marks the batch's texts as taken; callers without waiting texts leave."""
        for part in batch.slices:
            part.caller.taken = part.stop
            self.texts -= part.stop - part.start
            if not part.caller.remaining:
                del self._callers[part.caller]

    def leave(self, caller: CallerT) -> int:
        """Removes a caller, if it still stands in the line.

        Returns:
            How many waiting texts left with it.
        """
        if caller not in self._callers:
            return 0
        del self._callers[caller]
        self.texts -= caller.remaining
        return caller.remaining


def next_batch(line: Line[CallerT], now_s: float, policy: BatchPolicy) -> Batch[CallerT] | None:
    """The batch a free worker should take: the oldest caller's variant, its callers oldest first.

    A worker takes its share of the line, not the whole: with several workers free, one long batch would leave the
    others idle and make every caller wait for the longest text. It never waits for more texts to come.

    Args:
        line: the callers; not changed.
        now_s: callers whose deadline has come are passed over.

    Returns:
        None where nobody waits.

    Example:
        >>> line = Line()
        >>> for texts in (3, 2): line.add(Queued("a", texts, deadline_s=9.0))
        >>> [(part.start, part.stop) for part in next_batch(line, 0.0, BatchPolicy(max_texts=4, workers=1)).slices]
        [(0, 3), (0, 1)]
    """
    room = min(policy.max_texts, math.ceil(line.texts / policy.workers))
    slices: list[Slice[CallerT]] = []
    for caller in line:
        if caller.deadline_s <= now_s or (slices and caller.variant is not slices[0].caller.variant):
            continue
        stop = min(caller.texts, caller.taken + room)
        slices.append(Slice(caller, caller.taken, stop))
        room -= stop - caller.taken
        if not room:
            break
    return Batch(tuple(slices)) if slices else None


@dataclass(frozen=True, slots=True)
class DrainRate:
    """How fast one worker has been getting through texts lately; remembers about ten batches.

    Example:
        >>> DrainRate().after(texts=8, busy_s=0.1).retry_after_s(waiting_texts=800, workers=2)
        5.0
    """

    texts: float = 0.0
    busy_s: float = 0.0

    def after(self, texts: int, busy_s: float) -> DrainRate:
        """The rate once a batch of `texts` took `busy_s`."""
        return DrainRate(self.texts * _MEMORY_RATIO + texts, self.busy_s * _MEMORY_RATIO + busy_s)

    def retry_after_s(self, waiting_texts: int, workers: int) -> float:
        """When the texts that wait now will have been served: 1 to 60 seconds, 1 before anything was measured."""
        if not self.texts:
            return 1.0
        return min(_LONGEST_RETRY_S, max(1.0, waiting_texts * self.busy_s / self.texts / workers))


def padding_ratio(lengths: IntArray) -> float:
    """Which share of a padded batch's cells is padding.

    Args:
        lengths: (texts,) tokens of each text, at least one text.

    Example:
        >>> import numpy as np
        >>> padding_ratio(np.array([4, 2]))
        0.25
    """
    return 1.0 - float(lengths.mean()) / float(lengths.max())
