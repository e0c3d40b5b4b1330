"""What is tested: a served version, the rows it is asked about, and what it must answer to them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from seatrial.domain.errors import SourceError
from seatrial.domain.inference import FloatArray
from seatrial.loadgen.plan import Expected, Mix

__all__ = ["Limits", "Rows", "Served", "Start", "Subject", "choose_rows", "margin"]


class Served(Protocol):
    """A data plane in a process of its own, ready to be asked."""

    @property
    def url(self) -> str:
        """Of the public port."""
        ...

    @property
    def internal_url(self) -> str:
        """Of the internal port."""
        ...

    @property
    def grpc(self) -> str:
        """``host:port`` of gRPC, empty where it is not spoken."""
        ...

    @property
    def pid(self) -> int:
        """Root of the process tree."""
        ...

    @property
    def ready_s(self) -> float:
        """How long the start took, from nothing to the first possible answer."""
        ...

    def terminate(self) -> None:
        """Asks the process to end, as an orchestrator does: SIGTERM."""
        ...

    def exit_code(self, within_s: float) -> int | None:
        """Waits for the end; None where it does not come in time."""
        ...


Start = Callable[[], AbstractContextManager[Served]]
"""Starts the version; leaving the block ends the process, whatever became of it."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Real texts with the source model's answers.

    Attributes:
        labels: of each text.
        probabilities: (texts, labels).
    """

    texts: tuple[str, ...]
    labels: tuple[str, ...]
    probabilities: tuple[tuple[float, ...], ...]

    def __len__(self) -> int:
        return len(self.texts)

    def first(self, count: int) -> Rows:
        """The first so many."""
        return Rows(self.texts[:count], self.labels[:count], self.probabilities[:count])

    def repeated(self, count: int) -> tuple[str, ...]:
        """So many texts, from the beginning again where there are fewer."""
        return tuple(self.texts[place % len(self.texts)] for place in range(count))

    def clear(self, least_margin: float) -> Rows | None:
        """Those whose best label is ahead of the second by more than that; None where there are none."""
        places = [place for place, row in enumerate(self.probabilities) if margin(row) > least_margin]
        if not places:
            return None
        return Rows(
            tuple(self.texts[place] for place in places),
            tuple(self.labels[place] for place in places),
            tuple(self.probabilities[place] for place in places),
        )


@dataclass(frozen=True, slots=True)
class Limits:
    """What the data plane that serves the version is set to.

    Attributes:
        max_texts: most texts in one request.
        max_queue_texts: texts that may wait; more are shed.
        max_length: tokens a text is cut to when the request does not say.
        end_within_s: how long it may take to end after SIGTERM.
    """

    max_texts: int
    max_queue_texts: int
    max_length: int
    end_within_s: float


@dataclass(frozen=True, slots=True)
class Subject:
    """The version under test.

    Attributes:
        ref: subject of the findings: ``name@version/artifact``.
        labels: in the order of the probabilities.
        rows: what it is asked about, with the source model's answers.
        max_length: tokens a text is cut to where the source answered.
        probability_limit: largest difference of a probability; None: a quantised artifact, judged by its labels.
        flip_rate_limit: highest share of changed labels.
        confidence: of the bound on that share.
    """

    ref: str
    model: str
    version: str
    labels: tuple[str, ...]
    rows: Rows
    limits: Limits
    max_length: int
    probability_limit: float | None
    flip_rate_limit: float
    confidence: float

    def mix(self, texts: int) -> Mix:
        """Requests of so many texts each, with what must be answered to them.

        Where answers may differ from the source's, because the artifact is quantised or texts are cut elsewhere, they
        are held against nothing. A text whose two best labels are nearly equal may get either, so it is not sent.
        """
        if self.probability_limit is None or self.limits.max_length != self.max_length:
            return Mix(self.rows.texts, (texts,))
        clear = self.rows.clear(2 * self.probability_limit) or self.rows
        expected = {self.version: Expected(clear.labels, clear.probabilities)}
        return Mix(clear.texts, (texts,), expected=expected, tolerance=self.probability_limit)


def margin(probabilities: Sequence[float]) -> float:
    """How far the best label is ahead of the second.

    Example:
        >>> margin([0.25, 0.75])
        0.5
    """
    best, second = sorted(probabilities, reverse=True)[:2]
    return best - second


def choose_rows(
    texts: Sequence[str], probabilities: FloatArray, labels: Sequence[str], *, count: int, longest_chars: int
) -> Rows:
    """Evaluation rows to ask about: spread evenly over all that can be sent, the same each time.

    Args:
        texts: of all evaluation rows.
        probabilities: (rows, labels) of the source model.
        labels: what the columns mean.
        count: how many are wanted.
        longest_chars: longer texts are refused by the data plane.

    Raises:
        SourceError: there is no row that can be sent.

    Example:
        >>> rows = choose_rows(["a", " ", "b"], np.array([[0.9, 0.1]] * 3), ("no", "yes"), count=2, longest_chars=9)
        >>> rows.texts, rows.labels
        (('a', 'b'), ('no', 'no'))
    """
    possible = [place for place, text in enumerate(texts) if _can_be_sent(text, longest_chars)]
    if not possible:
        raise SourceError("No evaluation row can be sent to a data plane: prepare rows with texts.")
    wanted = np.linspace(0, len(possible) - 1, min(count, len(possible))).round().astype(int)
    chosen = [possible[place] for place in wanted.tolist()]
    return Rows(
        tuple(texts[place] for place in chosen),
        tuple(labels[int(probabilities[place].argmax())] for place in chosen),
        tuple(tuple(probabilities[place].tolist()) for place in chosen),
    )


def _can_be_sent(text: str, longest_chars: int) -> bool:
    """Whether the data plane would take it: not empty, not too long, and no half of a surrogate pair."""
    return bool(text.strip()) and len(text) <= longest_chars and not any("\ud800" <= c <= "\udfff" for c in text)
