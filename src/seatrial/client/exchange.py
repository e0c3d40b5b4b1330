"""One request until its answer or its error: when to try again, and when not to. No input or output, no clock.

What may be repeated follows from what the server may have done already. A connection that was refused has carried
nothing; a server that answers 429 or 503 with Retry-After has turned the request away; both may be repeated always.
After a connection that broke while an answer was awaited nobody knows, so that only requests that change nothing, or
nothing twice, are repeated. Slowness is never answered with a repeat: it would double the load that causes it.
"""

from __future__ import annotations

import enum
import itertools
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field

from seatrial.domain.errors import SeatrialError, UsageError

__all__ = ["Attempt", "Failure", "Patience", "Pause", "Repeat", "Reply", "Request", "exchange"]


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a client waits, and how often it tries.

    Attributes:
        connect_s: longest wait for a connection.
        read_s: longest silence of a server; more than its `serving.deadline_s`, to hear its reason.
        total_s: longest for a call, its repeats and the pauses between them included.
        attempts: most attempts, 1 to try once only.
        first_pause_s: longest pause after the first failed attempt; doubled after each further one.
        longest_pause_s: where the doubling ends.

    Raises:
        UsageError: a value that nobody could wait for.
    """

    connect_s: float = 5.0
    read_s: float = 35.0
    total_s: float = 60.0
    attempts: int = 6
    first_pause_s: float = 0.1
    longest_pause_s: float = 5.0

    def __post_init__(self) -> None:
        if min(self.connect_s, self.read_s, self.total_s) <= 0 or self.attempts < 1 or self.first_pause_s < 0:
            raise UsageError(f"{self} cannot be used: times are seconds above 0, and there is at least one attempt.")

    def pause_s(self, failed: int, retry_after_s: float, chance: float) -> float:
        """The pause after a number of failed attempts, at least what the server asked for.

        Without chance, clients that were refused together would come back together.

        Args:
            chance: uniform in [0, 1).

        Example:
            >>> [Patience().pause_s(failed, 0.0, 0.5) for failed in (1, 2, 3, 20)]
            [0.05, 0.1, 0.2, 2.5]
            >>> Patience().pause_s(1, 2.0, 0.5)
            2.05

        Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015 ("full jitter").
        """
        doublings = min(failed - 1, 30)
        return retry_after_s + chance * min(self.longest_pause_s, self.first_pause_s * 2.0**doublings)


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent.

    Attributes:
        path: with its leading slash.
        repeatable: whether sending it twice does no more than sending it once.
    """

    method: str
    path: str
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    repeatable: bool = True


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer; names of headers in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def good(self) -> bool:
        """Whether it is what was asked for."""
        return 200 <= self.status < 300


class Repeat(enum.Enum):
    """Whether a request that failed may be sent again."""

    ALWAYS = enum.auto()
    """Nothing was done with it."""
    WHERE_HARMLESS = enum.auto()
    """It may have been carried out."""
    NEVER = enum.auto()
    """It would fail again, or make things worse."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An attempt that brought no good answer."""

    error: SeatrialError
    repeat: Repeat = Repeat.NEVER
    retry_after_s: float = 0.0

    def allows(self, request: Request) -> bool:
        """Whether the request may be sent again."""
        return self.repeat is Repeat.ALWAYS or (self.repeat is Repeat.WHERE_HARMLESS and request.repeatable)


@dataclass(frozen=True, slots=True)
class Attempt:
    """Asks the driver to send the request once."""

    within_s: float


@dataclass(frozen=True, slots=True)
class Pause:
    """Asks the driver to wait."""

    seconds: float


def exchange(
    request: Request, patience: Patience, now_s: Callable[[], float], chance: Callable[[], float]
) -> Generator[Attempt | Pause, Reply | Failure | None, Reply]:
    """The course of one call. A driver, waiting or not, does what is yielded and sends back what came of it.

    Args:
        now_s: a clock in seconds.
        chance: uniform in [0, 1).

    Returns:
        The good answer.

    Raises:
        SeatrialError: the last failure, as soon as another attempt is not allowed or would come too late.
    """
    ends_s = now_s() + patience.total_s
    for number in itertools.count(1):
        outcome = yield Attempt(max(0.0, ends_s - now_s()))
        if isinstance(outcome, Reply):
            return outcome
        assert outcome is not None, "an attempt ends in a reply or a failure"
        pause_s = patience.pause_s(number, outcome.retry_after_s, chance())
        if number >= patience.attempts or not outcome.allows(request) or now_s() + pause_s >= ends_s:
            raise outcome.error
        yield Pause(pause_s)
    raise AssertionError("counting has no end")
