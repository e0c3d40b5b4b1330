"""What was measured: plain figures, before anybody judges them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from seatrial.loadgen.results import LoadResult

__all__ = ["Asked", "CurvePoint", "GoldenAnswers", "MemoryGrowth", "Overload", "Shutdown"]


@dataclass(frozen=True, slots=True)
class Asked:
    """What became of one probe.

    Attributes:
        name: of the probe.
        fault: what was wrong with the answer; empty where nothing was.
    """

    name: str
    fault: str


@dataclass(frozen=True, slots=True)
class GoldenAnswers:
    """What was answered to the golden rows, asked one after the other.

    Attributes:
        labels: of each row; empty text where it got no prediction.
        probabilities: (rows, labels); an empty row where there was no prediction.
        latencies_s: of each request, the first of the process first.
    """

    labels: Sequence[str]
    probabilities: Sequence[Sequence[float]]
    latencies_s: Sequence[float]


@dataclass(frozen=True, slots=True)
class MemoryGrowth:
    """Resident memory of the process tree over many requests.

    Attributes:
        rss_bytes: after each of several equal parts of the requests.
        requests: all that were sent.
        answered: those that got predictions.
    """

    rss_bytes: Sequence[int]
    requests: int
    answered: int

    @property
    def growth_bytes(self) -> int:
        """From the end of the first part, which fills caches and pools, to the end of the last."""
        return self.rss_bytes[-1] - self.rss_bytes[0]


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """One place of the capacity curve.

    Attributes:
        clients: each with one request of one text under way.
    """

    clients: int
    result: LoadResult


@dataclass(frozen=True, slots=True)
class Overload:
    """What became of more work than can be done.

    Attributes:
        offered_per_s: texts sent a second.
        capacity_per_s: texts answered a second before, one in each request.
        hints: the Retry-After header of each shed request that was looked at; None where it had none.
        recovered_s: from the end of the load to an answer with a prediction; None: none came.
    """

    result: LoadResult
    offered_per_s: float
    capacity_per_s: float
    hints: Sequence[str | None]
    recovered_s: float | None


@dataclass(frozen=True, slots=True)
class Shutdown:
    """What became of requests when the process was asked to end under load.

    Attributes:
        signalled_s: when it was asked, on the clock of the load.
        exit_code: None where it did not end in time.
        took_s: from the signal to the end.
    """

    result: LoadResult
    signalled_s: float
    exit_code: int | None
    took_s: float
