"""What a load is: whom it asks, what it sends, when, and where it ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from seatrial.domain.errors import UsageError

__all__ = ["Bounds", "Closed", "Expected", "Load", "Mix", "Open", "Target"]


@dataclass(frozen=True, slots=True)
class Target:
    """Who is asked.

    Attributes:
        field: of the JSON body that holds the texts.
        pid: root of the server's process tree, whose CPU is measured; None: it is not.
    """

    host: str
    port: int
    path: str = "/predict"
    field: str = "texts"
    pid: int | None = None


@dataclass(frozen=True, slots=True)
class Expected:
    """What one version must answer to each text of a mix.

    Attributes:
        labels: of each text.
        probabilities: (texts, labels).
    """

    labels: tuple[str, ...]
    probabilities: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class Mix:
    """What is sent; the same seed sends the same requests in the same order.

    Attributes:
        texts: taken in random order, each as often as the others.
        sizes: texts a request, drawn evenly; name a size twice to have it twice as often.
        bad_ratio: share of requests that are malformed and must be refused.
        cancelled_ratio: share of requests whose client leaves before it has the answer.
        leaves_within_s: how soon such a client leaves.
        expected: by the version that answers, what it must say; empty: answers are not read.
        tolerance: largest difference of a probability that counts as equal.
    """

    texts: tuple[str, ...]
    sizes: tuple[int, ...] = (1,)
    bad_ratio: float = 0.0
    cancelled_ratio: float = 0.0
    leaves_within_s: float = 0.02
    seed: int = 0
    expected: Mapping[str, Expected] = field(default_factory=dict)
    tolerance: float = 1e-4

    def __post_init__(self) -> None:
        """Raises UsageError where nothing could be sent, or expectations do not fit the texts."""
        if not self.texts or not self.sizes or min(self.sizes) < 1:
            raise UsageError("A mix needs texts, and sizes of at least 1 text a request.")
        if not (0 <= self.bad_ratio <= 1 and 0 <= self.cancelled_ratio <= 1):
            raise UsageError("bad_ratio and cancelled_ratio are shares: give numbers from 0 to 1.")
        for version, expected in self.expected.items():
            if not len(expected.labels) == len(expected.probabilities) == len(self.texts):
                raise UsageError(
                    f"Version {version} needs one expected answer for each of the {len(self.texts)} texts."
                )


@dataclass(frozen=True, slots=True)
class Closed:
    """Clients that each send the next request when they have the answer to the last one."""

    clients: int


@dataclass(frozen=True, slots=True)
class Open:
    """Requests that arrive whether or not the server keeps up; their latency counts from the scheduled arrival.

    Attributes:
        poisson: arrivals are independent of each other; else evenly spaced.
        max_connections: what waits beyond these waits in the client, and that time counts too.
    """

    rate_per_s: float
    poisson: bool = True
    max_connections: int = 2048


@dataclass(frozen=True, slots=True)
class Bounds:
    """Where a load ends: at the end of the window or with its last request, whichever comes first.

    Attributes:
        warm_up_s: before the window; its answers are in the totals only.
        window_s: an answer counts where it ends in here, wherever it began.
        timeout_s: longest wait for one answer.
        drain_s: longest wait for outstanding answers after the window.
    """

    warm_up_s: float = 1.0
    window_s: float = 8.0
    max_requests: int = 1_000_000
    timeout_s: float = 60.0
    drain_s: float = 30.0


@dataclass(frozen=True, slots=True)
class Load:
    """One load: exactly one of `closed` and `open` says when requests are sent."""

    target: Target
    mix: Mix
    closed: Closed | None = None
    open: Open | None = None
    bounds: Bounds = field(default_factory=Bounds)

    def __post_init__(self) -> None:
        """Raises UsageError where the load is neither closed nor open, or both, or sends nothing."""
        if (self.closed is None) == (self.open is None):
            raise UsageError("A load is either closed (clients) or open (a rate): give one of the two.")
        if self.closed is not None and self.closed.clients < 1:
            raise UsageError("A closed loop needs at least one client.")
        if self.open is not None and not (self.open.rate_per_s > 0 and self.open.max_connections > 0):
            raise UsageError("An open loop needs a rate above 0 and at least one connection.")
        if self.bounds.window_s <= 0 or self.bounds.max_requests < 1:
            raise UsageError("A load needs a window above 0 s and at least one request.")
