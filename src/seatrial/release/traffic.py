"""Traffic as a forecast or a rehearsal assumes it, and what may be wrong with a challenger."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace

import numpy as np

from seatrial.domain.errors import UsageError
from seatrial.domain.latency import LATENCY_EDGES_S, LatencyCounts, rung_near, tolerant_s
from seatrial.domain.release import FrozenBaseline
from seatrial.stats.exceedances import frozen_thresholds, share_above

__all__ = ["TAIL_RATIO", "Scenario", "Traffic", "frozen_baseline"]

TAIL_RATIO = 0.17
"""Share of the requests that `tail_slowdown` slows down."""
_HISTOGRAM_REQUESTS = 1_000_000


@dataclass(frozen=True, slots=True)
class Traffic:
    """What the champion's traffic looks like.

    Attributes:
        requests_per_s: of both versions together.
        error_ratio: share that fails by our fault.
        latency_counts: over `LATENCY_EDGES_S` and, last, above them.
        class_shares: label and share of the answers.
        requests_per_unit: of one user during the release, on average.
    """

    requests_per_s: float
    error_ratio: float
    latency_counts: tuple[int, ...]
    class_shares: tuple[tuple[str, float], ...]
    requests_per_unit: float = 1.0

    @classmethod
    def typical(
        cls, *, requests_per_s: float = 50.0, error_ratio: float = 0.01, median_s: float = 0.04, sigma: float = 0.5
    ) -> Traffic:
        """Lognormal latencies, two classes at 60 and 40 %.

        Example:
            >>> round(Traffic.typical().above(0.04), 2)
            0.5
        """
        below = [_HISTOGRAM_REQUESTS * _normal_cdf(math.log(edge / median_s) / sigma) for edge in LATENCY_EDGES_S]
        counts = np.diff(np.round([0.0, *below, _HISTOGRAM_REQUESTS])).astype(int).tolist()
        return cls(requests_per_s, error_ratio, tuple(counts), (("negative", 0.4), ("positive", 0.6)))

    def above(self, latency_s: float) -> float:
        """Share of the requests that take longer."""
        return share_above(LATENCY_EDGES_S, self.latency_counts, latency_s)


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is wrong with the challenger, or with the traffic; as it is here, nothing.

    Attributes:
        error_rise: times the champion's errors, from the first request on.
        late_regression: the same, from the middle step on.
        slowdown: times the champion's latency, every request.
        tail_slowdown: the same for 17 % of the requests.
        label_shift: share of the answers that moves to the first label.
        disagreement: share of mirrored requests that is answered otherwise.
        outage: share of requests that fails in both arms, for a tenth of each step.
        heavy_users: requests of one user, on average; users then differ in how often they fail and how long they wait.
        error_ratio: the champion's own share of errors.
        requests_per_s: of both versions together.
    """

    error_rise: float = 1.0
    late_regression: float = 1.0
    slowdown: float = 1.0
    tail_slowdown: float = 1.0
    label_shift: float = 0.0
    disagreement: float = 0.02
    outage: float = 0.0
    heavy_users: float = 1.0
    error_ratio: float = 0.01
    requests_per_s: float = 50.0

    def __post_init__(self) -> None:
        for one in fields(self):
            value, low, high = getattr(self, one.name), *_LIMITS.get(one.name, (1.0, 1000.0))
            if not low <= value <= high:
                name = one.name.replace("_", "-")
                raise UsageError(f"--scenario {name}={value:g} is impossible: it lies from {low:g} to {high:g}.")

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Scenario:
        """Reads NAME=VALUE, names with dashes; several add up.

        Raises:
            UsageError: there is no such name, or the value is impossible.

        Example:
            >>> Scenario.parse(["error-rise=3"]).error_rise
            3.0
        """
        known = {one.name.replace("_", "-"): one.name for one in fields(cls)}
        values: dict[str, float] = {}
        for text in texts:
            name, equals, value = text.partition("=")
            if name not in known or not equals:
                raise UsageError(f"--scenario {text!r} is none: write NAME=VALUE with one of {', '.join(known)}.")
            try:
                values[known[name]] = float(value)
            except ValueError:
                raise UsageError(f"--scenario {name} takes a number, not {value!r}.") from None
        return cls(**values)

    @property
    def traffic(self) -> Traffic:
        """The champion's traffic."""
        typical = Traffic.typical(requests_per_s=self.requests_per_s, error_ratio=self.error_ratio)
        return replace(typical, requests_per_unit=self.heavy_users)

    def above(self, traffic: Traffic, latency_s: float) -> float:
        """Share of the challenger's requests that take longer."""
        usual, tail = latency_s / self.slowdown, latency_s / self.slowdown / self.tail_slowdown
        return (1 - TAIL_RATIO) * traffic.above(usual) + TAIL_RATIO * traffic.above(tail)

    def class_shares(self, traffic: Traffic) -> tuple[float, ...]:
        """The challenger's share of each class."""
        shares = [share * (1 - self.label_shift) for _, share in traffic.class_shares]
        return (shares[0] + self.label_shift, *shares[1:])


_LIMITS = {
    "error_rise": (0.0, 1000.0),
    "late_regression": (0.0, 1000.0),
    "slowdown": (0.1, 100.0),
    "label_shift": (0.0, 1.0),
    "disagreement": (0.0, 1.0),
    "outage": (0.0, 1.0),
    "error_ratio": (0.0, 1.0),
    "requests_per_s": (1e-3, 1e6),
}


def frozen_baseline(traffic: Traffic, tolerance_rungs: int) -> FrozenBaseline:
    """What is fixed before the first request: thresholds at the champion's quantiles, tolerance, labels.

    Example:
        >>> frozen_baseline(Traffic.typical(), 1).thresholds_s[:2]
        (0.0411448, 0.0547637)
    """
    thresholds_s = frozen_thresholds(LATENCY_EDGES_S, traffic.latency_counts, rung_near)
    tolerant = tuple(tolerant_s(threshold_s, tolerance_rungs) for threshold_s in thresholds_s)
    seen = LatencyCounts(tuple(LATENCY_EDGES_S), traffic.latency_counts)
    slow = tuple(seen.above(threshold_s) for threshold_s in thresholds_s)
    return FrozenBaseline(
        thresholds_s, tolerant, tuple(label for label, _ in traffic.class_shares), seen.requests, slow
    )


def _normal_cdf(z: float) -> float:
    return 0.5 * math.erfc(-z / math.sqrt(2))
