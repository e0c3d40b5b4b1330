"""Which waiting texts form the next batch: pure rules, without a clock, a thread or an event loop."""

from __future__ import annotations

import bisect
import math
import sys
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

__all__ = [
    "Batch",
    "BatchPolicy",
    "DrainRate",
    "Line",
    "Queued",
    "Slice",
    "deserves_all_cores",
    "next_batch",
    "padding_ratio",
]

_MEMORY_RATIO = 0.9
"""What is kept of the drain rate's memory at each batch: about the last ten batches count."""
_LONGEST_RETRY_S = 60.0


@dataclass(frozen=True, slots=True)
class BatchPolicy:
    """How batches are cut.

    Attributes:
        max_texts: most texts in one engine call.
        workers: how many engine calls run at the same time.
        max_tokens: most tokens in one engine call; a single text may have more.
    """

    max_texts: int
    workers: int
    max_tokens: int = sys.maxsize


@dataclass(slots=True, eq=False)
class Queued:
    """One caller's place in the line.

    Attributes:
        variant: what must answer; compared by identity.
        texts: how many texts the caller has.
        deadline_s: moment from which on no engine may take them, on the clock that `next_batch` is given.
        offsets: (texts + 1,) tokens before each text, and of all; empty: every text counts as one token.
        priority: 0 for requests; whoever has a larger one is served only while nobody with a smaller one waits.
        taken: how many of the texts engines have taken, first ones first.
    """

    variant: Any
    texts: int
    deadline_s: float
    offsets: Sequence[int] = ()
    priority: int = 0
    taken: int = 0

    @property
    def remaining(self) -> int:
        """Texts that still wait."""
        return self.texts - self.taken

    def tokens(self, start: int, stop: int) -> int:
        """Tokens of the texts `start` up to `stop`."""
        return self.offsets[stop] - self.offsets[start] if self.offsets else stop - start


CallerT = TypeVar("CallerT", bound=Queued)


@dataclass(frozen=True, slots=True, eq=False)
class Slice(Generic[CallerT]):
    """Texts ``start`` up to ``stop`` of one caller."""

    caller: CallerT
    start: int
    stop: int


@dataclass(frozen=True, slots=True, eq=False)
class Batch(Generic[CallerT]):
    """Texts of one variant for one engine call, in the order their callers stood."""

    slices: tuple[Slice[CallerT], ...]

    @property
    def texts(self) -> int:
        """Texts of all slices."""
        return sum(part.stop - part.start for part in self.slices)

    @property
    def lengths(self) -> list[int]:
        """(texts,) tokens of each text."""
        return [part.caller.tokens(index, index + 1) for part in self.slices for index in range(part.start, part.stop)]


class Line(Generic[CallerT]):
    """Callers with waiting texts, in the order of their turns; any may leave at any time, at no cost to the others."""

    def __init__(self) -> None:
        # Linked lists with an index, one a priority: callers leave from the middle when they are cancelled or expire.
        self._rows: dict[int, OrderedDict[CallerT, None]] = {}
        self._texts: dict[int, int] = {}

    def __iter__(self) -> Iterator[CallerT]:
        return (caller for row, _ in self.rows() for caller in row)

    @property
    def texts(self) -> int:
        """Texts that wait."""
        return sum(self._texts.values())

    def rows(self) -> Iterator[tuple[Iterable[CallerT], int]]:
        """The callers of each priority and how many texts they wait with, most urgent first."""
        for priority in sorted(self._rows):
            yield self._rows[priority], self._texts[priority]

    def add(self, caller: CallerT) -> None:
        """Puts a caller at the end of those of its priority."""
        self._rows.setdefault(caller.priority, OrderedDict())[caller] = None
        self._texts[caller.priority] = self._texts.get(caller.priority, 0) + caller.remaining

    def take(self, batch: Batch[CallerT]) -> None:
        """Marks the batch's texts as taken: who has none left leaves, and it was the turn of whoever came first in it.

        The last caller of a batch may have been given what room was left; it keeps its place and has its turn next.
        """
        for part in batch.slices:
            caller = part.caller
            caller.taken = part.stop
            self._texts[caller.priority] -= part.stop - part.start
            if not caller.remaining:
                del self._rows[caller.priority][caller]
            elif part is batch.slices[0]:
                self._rows[caller.priority].move_to_end(caller)

    def leave(self, caller: CallerT) -> int:
        """Removes a caller, if it still stands in the line.

        Returns:
            How many waiting texts left with it.
        """
        row = self._rows.get(caller.priority)
        if row is None or caller not in row:
            return 0
        del row[caller]
        self._texts[caller.priority] -= caller.remaining
        return caller.remaining


def next_batch(line: Line[CallerT], now_s: float, policy: BatchPolicy, running_texts: int = 0) -> Batch[CallerT] | None:
    """The batch a free worker should take: the first caller's variant, its callers in the order of the line.

    - It never waits for more texts to come.
    - A worker takes its share of all texts that wait or are computed, not the whole line: one long batch would leave
      the other workers idle and make every caller wait for the longest text. Shares even out: whoever took too much
      leaves more to the others next time.
    - A turn is one batch: who began a batch and has texts left goes to the end of the line (`Line.take`). So a request
      waits for at most one batch of each that stands before it, however large that is; and between two turns of a
      large one everybody else has at most one.
    - Callers of a lower priority are served only while nobody of a higher one waits.

    Args:
        line: the callers; not changed.
        now_s: callers whose deadline has come are passed over.
        running_texts: texts that the other workers are at.

    Returns:
        None where nobody waits.

    Example:
        >>> line = Line()
        >>> for texts in (3, 2): line.add(Queued("a", texts, deadline_s=9.0))
        >>> [(part.start, part.stop) for part in next_batch(line, 0.0, BatchPolicy(max_texts=4, workers=1)).slices]
        [(0, 3), (0, 1)]
    """
    for callers, texts in line.rows():
        room = min(policy.max_texts, math.ceil((texts + running_texts) / policy.workers))
        slices = _fill(callers, now_s, room, policy.max_tokens)
        if slices:
            return Batch(tuple(slices))
    return None


def _fill(callers: Iterable[CallerT], now_s: float, room_texts: int, room_tokens: int) -> list[Slice[CallerT]]:
    """The texts of the first caller that is in time, and of others of its variant, as far as there is room."""
    slices: list[Slice[CallerT]] = []
    for caller in callers:
        if caller.deadline_s <= now_s or (slices and caller.variant is not slices[0].caller.variant):
            continue
        start, stop = caller.taken, min(caller.texts, caller.taken + room_texts)
        tokens = caller.tokens(start, stop)
        if tokens > room_tokens:
            stop = start + _fitting(caller, room_tokens)
            if stop == start and not slices:
                stop = start + 1  # a text longer than the budget goes alone
            if stop > start:
                slices.append(Slice(caller, start, stop))
            break
        slices.append(Slice(caller, start, stop))
        room_texts -= stop - start
        room_tokens -= tokens
        if not room_texts:
            break
    return slices


def _fitting(caller: Queued, room_tokens: int) -> int:
    """How many of the caller's waiting texts, first ones first, have together at most that many tokens."""
    if not caller.offsets:
        return min(caller.remaining, room_tokens)
    return bisect.bisect_right(caller.offsets, caller.offsets[caller.taken] + room_tokens) - 1 - caller.taken


def deserves_all_cores(batch: Batch[Any], waiting_texts: int, running_batches: int, *, company: bool) -> bool:
    """Whether a batch should be computed by all cores together instead of by one worker's thread.

    Only a single text that is alone in the process, and where nobody came while the one before it was computed: two
    threads finish one text in little more than half the time, but two texts on a thread each are through sooner than
    one after the other on both, and threads that share a text spin and wait for each other as soon as anything else
    runs. Whoever had company lately will have it again: two clients in turn would otherwise disturb each other for
    ever.

    Args:
        waiting_texts: texts that wait besides the batch.
        running_batches: batches that engines are at.
        company: whether others came while the batch before it was computed.

    Example:
        >>> lone = Batch((Slice(Queued("a", 1, deadline_s=9.0), 0, 1),))
        >>> deserves_all_cores(lone, waiting_texts=0, running_batches=0, company=False)
        True
        >>> deserves_all_cores(lone, waiting_texts=0, running_batches=1, company=False)
        False
        >>> deserves_all_cores(lone, waiting_texts=0, running_batches=0, company=True)
        False
    """
    can_wait = batch.slices[0].caller.priority > 0  # a request may come any moment, and wants a core at once
    return not (company or waiting_texts or running_batches or can_wait) and batch.texts == 1


@dataclass(frozen=True, slots=True)
class DrainRate:
    """How fast one worker has been getting through texts lately; remembers about ten batches.

    Example:
        >>> DrainRate().after(texts=8, busy_s=0.1).retry_after_s(waiting_texts=800, workers=2)
        5.0
        >>> DrainRate().after(texts=8, busy_s=0.1).wait_s(waiting_texts=100, workers=2)
        0.625
    """

    texts: float = 0.0
    busy_s: float = 0.0

    def after(self, texts: int, busy_s: float) -> DrainRate:
        """The rate once a batch of `texts` took `busy_s`."""
        return DrainRate(self.texts * _MEMORY_RATIO + texts, self.busy_s * _MEMORY_RATIO + busy_s)

    def wait_s(self, waiting_texts: int, workers: int) -> float:
        """How long the texts that wait now will take, 0 before anything was measured."""
        return waiting_texts * self.busy_s / self.texts / workers if self.texts else 0.0

    def retry_after_s(self, waiting_texts: int, workers: int) -> float:
        """When the texts that wait now will have been served: 1 to 60 seconds."""
        return min(_LONGEST_RETRY_S, max(1.0, self.wait_s(waiting_texts, workers)))


def padding_ratio(lengths: Sequence[int]) -> float:
    """Which share of a padded batch's cells is padding.

    Args:
        lengths: (texts,) tokens of each text, at least one text.

    Example:
        >>> padding_ratio([4, 2])
        0.25
    """
    return 1.0 - sum(lengths) / (len(lengths) * max(lengths))
