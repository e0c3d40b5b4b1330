"""What a load observed, and what it comes to: windows, counts and percentiles from raw latencies."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, Self

import msgspec

__all__ = ["ANSWERED", "Latencies", "LoadResult", "Observation", "Spent", "Tally", "percentile", "summarise"]

ANSWERED = "200"
_UNANSWERED = frozenset({"reset", "timeout"})
_MOST_EXAMPLES = 20
_MOST_UNANSWERED = 10_000


class Observation(NamedTuple):
    """One request that ended. Moments are on the clock of `time.monotonic`, which all processes share on Linux.

    Attributes:
        due_s: when it should have been sent; in a closed loop, when it was.
        sent_s: when its bytes were handed to the system.
        ended: the status of the answer as text, or ``refused``, ``reset``, ``timeout``, ``cancelled``.
        texts: that it asked about.
        fault: why the answer is wrong, empty where it is not.
    """

    due_s: float
    sent_s: float
    ended_s: float
    ended: str
    texts: int
    fault: str = ""


class Spent(NamedTuple):
    """CPU seconds of both sides between two moments.

    Attributes:
        server_s: None where nobody said which process the server is.
    """

    client_s: float
    server_s: float | None


@dataclass(frozen=True, slots=True)
class Latencies:
    """Percentiles in milliseconds; 0 where there are no samples."""

    samples: int
    mean_ms: float
    p50_ms: float
    p90_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float

    @classmethod
    def of(cls, latencies_s: Iterable[float]) -> Self:
        """Of raw latencies in seconds."""
        ordered = sorted(latencies_s)
        if not ordered:
            return cls(0, 0, 0, 0, 0, 0, 0)
        points = (percentile(ordered, ratio) * 1000 for ratio in (0.5, 0.9, 0.95, 0.99, 1.0))
        return cls(len(ordered), 1000 * sum(ordered) / len(ordered), *points)


@dataclass(frozen=True, slots=True)
class Tally:
    """Requests that ended in some span of time.

    Attributes:
        texts: of requests that were answered with predictions.
        outcomes: requests by how they ended.
        latencies: by how they ended, from the moment each was due.
    """

    requests: int
    texts: int
    outcomes: Mapping[str, int]
    latencies: Mapping[str, Latencies]

    @classmethod
    def of(cls, observations: Sequence[Observation]) -> Self:
        """Counts what ended."""
        outcomes = Counter(observation.ended for observation in observations)
        latencies = {
            ended: Latencies.of(o.ended_s - o.due_s for o in observations if o.ended == ended) for ended in outcomes
        }
        texts = sum(observation.texts for observation in observations if observation.ended == ANSWERED)
        return cls(len(observations), texts, dict(outcomes), latencies)


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What came of a load.

    Attributes:
        window_s: length of the window; shorter than planned where the requests ran out.
        window: what ended in it.
        total: what ended at all, before and after the window too.
        wrong: answers that a correct server would not have given, of all.
        wrong_examples: why, the first few.
        unanswered_sent_s: when each request was sent that got no answer though it was sent, the first ten thousand.
        last_sent_s: when the last request was sent; 0 where none was.
        lateness: how long after they were due requests of the window were sent: the client's own part of the latency.
        client_cpu_ratio: CPU seconds of the client a second of the window; 1 is a core.
        server_cpu_s: of the server's process tree in the window.
    """

    window_s: float
    window: Tally
    total: Tally
    wrong: int
    wrong_examples: tuple[str, ...]
    unanswered_sent_s: tuple[float, ...]
    last_sent_s: float
    lateness: Latencies
    client_cpu_ratio: float
    server_cpu_s: float | None

    @property
    def texts_per_s(self) -> float:
        """Texts answered a second of the window."""
        return self.window.texts / self.window_s

    @property
    def answered(self) -> Latencies:
        """Latencies of the window's requests that got predictions."""
        return self.window.latencies.get(ANSWERED) or Latencies.of(())

    @property
    def server_cpu_ms_a_text(self) -> float | None:
        """CPU of the server for each text answered in the window."""
        if self.server_cpu_s is None or not self.window.texts:
            return None
        return 1000 * self.server_cpu_s / self.window.texts

    def to_json(self) -> dict[str, Any]:
        """As plain objects, with the derived figures."""
        return {
            **asdict(self),
            "texts_per_s": self.texts_per_s,
            "server_cpu_ms_a_text": self.server_cpu_ms_a_text,
        }

    @classmethod
    def from_json(cls, document: bytes) -> Self:
        """Reads what `to_json` gave, encoded."""
        return msgspec.json.decode(document, type=cls)


def percentile(ordered: Sequence[float], ratio: float) -> float:
    """The smallest value that at least this share of all values does not exceed (nearest rank).

    Args:
        ordered: ascending, not empty.

    Example:
        >>> percentile([1.0, 2.0, 3.0, 4.0], 0.5), percentile([1.0, 2.0], 0.99)
        (2.0, 2.0)
    """
    return ordered[max(0, math.ceil(ratio * len(ordered)) - 1)]


def summarise(observations: Sequence[Observation], start_s: float, stop_s: float, spent: Spent) -> LoadResult:
    """The result of a load whose window is from `start_s` up to, not including, `stop_s`."""
    inside = [observation for observation in observations if start_s <= observation.ended_s < stop_s]
    faults = [observation.fault for observation in observations if observation.fault]
    window_s = stop_s - start_s
    return LoadResult(
        window_s=window_s,
        window=Tally.of(inside),
        total=Tally.of(observations),
        wrong=len(faults),
        wrong_examples=tuple(faults[:_MOST_EXAMPLES]),
        unanswered_sent_s=tuple(o.sent_s for o in observations if o.ended in _UNANSWERED)[:_MOST_UNANSWERED],
        last_sent_s=max((observation.sent_s for observation in observations), default=0.0),
        lateness=Latencies.of(observation.sent_s - observation.due_s for observation in inside),
        client_cpu_ratio=spent.client_s / window_s,
        server_cpu_s=spent.server_s,
    )
