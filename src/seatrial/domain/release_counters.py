"""What a release counts: a few integers for each step and arm, from which every decision can be replayed.

Events count units: of one user or session, each counter takes the first event of the whole release, in the step and
arm where it happened. Without a unit, the request is the unit.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

__all__ = ["Arm", "ArmCounters", "FrozenBaseline", "ReleaseCounters", "ReleaseTally", "Served", "StepCounters"]

DEFAULT_UNITS = 1_000_000


class Arm(enum.StrEnum):
    """The two sides of a release."""

    CHAMPION = "champion"
    CHALLENGER = "challenger"


@dataclass(frozen=True, slots=True)
class FrozenBaseline:
    """What is fixed when a release starts, and never changes after.

    Attributes:
        thresholds_s: latencies over which a request of the champion is slow, rising; rungs of the ladder.
        tolerant_s: the same for the challenger, each so many rungs higher as are tolerated.
        labels: classes that are counted.
    """

    thresholds_s: tuple[float, ...]
    tolerant_s: tuple[float, ...]
    labels: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.thresholds_s) != len(self.tolerant_s):
            raise ValueError("Each threshold of the champion has one of the challenger.")

    def of_arm(self, arm: Arm) -> tuple[float, ...]:
        """The thresholds of an arm."""
        return self.tolerant_s if arm is Arm.CHALLENGER else self.thresholds_s

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dictionary."""
        return {name: list(getattr(self, name)) for name in ("thresholds_s", "tolerant_s", "labels")}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> FrozenBaseline:
        """What `to_json` wrote.

        Example:
            >>> baseline = FrozenBaseline((0.04,), (0.044,), ("negative", "positive"))
            >>> FrozenBaseline.from_json(baseline.to_json()) == baseline
            True
        """
        return cls(**{name: tuple(document[name]) for name in ("thresholds_s", "tolerant_s", "labels")})


@dataclass(frozen=True, slots=True)
class ArmCounters:
    """One arm in one step.

    Attributes:
        requests: logical requests routed there that succeeded or failed by our fault.
        failed_requests: those that failed.
        units: units that came to this arm for the first time in this step.
        errors: units whose first failure of the release happened here.
        slow: for each threshold, units whose first request over it happened here.
        classes: for each label, units that were first answered so here.
    """

    requests: int = 0
    failed_requests: int = 0
    units: int = 0
    errors: int = 0
    slow: tuple[int, ...] = ()
    classes: tuple[int, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dictionary."""
        return {
            "requests": self.requests,
            "failed_requests": self.failed_requests,
            "units": self.units,
            "errors": self.errors,
            "slow": list(self.slow),
            "classes": list(self.classes),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> ArmCounters:
        """What `to_json` wrote."""
        values = {one.name: document[one.name] for one in fields(cls)}
        return cls(**{**values, "slow": tuple(values["slow"]), "classes": tuple(values["classes"])})


@dataclass(frozen=True, slots=True)
class StepCounters:
    """Both arms in one step, and the requests of it that were mirrored.

    Attributes:
        mirrored: units whose first mirrored request was compared.
        disagreements: those on which the versions answered otherwise.
    """

    champion: ArmCounters = field(default_factory=ArmCounters)
    challenger: ArmCounters = field(default_factory=ArmCounters)
    mirrored: int = 0
    disagreements: int = 0

    @property
    def requests(self) -> int:
        """Requests of both arms."""
        return self.champion.requests + self.challenger.requests

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dictionary."""
        return {
            "champion": self.champion.to_json(),
            "challenger": self.challenger.to_json(),
            "mirrored": self.mirrored,
            "disagreements": self.disagreements,
        }


@dataclass(frozen=True, slots=True)
class ReleaseCounters:
    """Everything that is known about the traffic of a release.

    Attributes:
        steps: of each step begun so far, in order.
        bake: of the challenger since the full rollout.
    """

    steps: tuple[StepCounters, ...] = ()
    bake: ArmCounters = field(default_factory=ArmCounters)

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dictionary."""
        return {"steps": [step.to_json() for step in self.steps], "bake": self.bake.to_json()}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> ReleaseCounters:
        """What `to_json` wrote.

        Example:
            >>> counters = ReleaseCounters((StepCounters(mirrored=3),))
            >>> ReleaseCounters.from_json(counters.to_json()) == counters
            True
        """
        steps = tuple(
            StepCounters(
                ArmCounters.from_json(step["champion"]),
                ArmCounters.from_json(step["challenger"]),
                step["mirrored"],
                step["disagreements"],
            )
            for step in document["steps"]
        )
        return cls(steps, ArmCounters.from_json(document["bake"]))


@dataclass(frozen=True, slots=True)
class Served:
    """What one logical request says about the version that took it; a client's own mistakes are not handed in.

    Attributes:
        arm: where it was routed.
        unit: user or session; None where the request is its own.
        failed: it failed by our fault.
        latency_s: the time it took, failed or not.
        labels: the classes it was answered with.
    """

    arm: Arm
    unit: str | None
    failed: bool
    latency_s: float
    labels: Sequence[str] = ()


class ReleaseTally:
    """Turns requests into counters: for each unit, the first event of the release and no other.

    The memory of units is bounded. When it is full, a unit that is not in it adds requests and nothing else: whether
    it is known says nothing about the arm it is in, so what is counted stays exact.
    """

    def __init__(self, baseline: FrozenBaseline, *, max_units: int = DEFAULT_UNITS) -> None:
        """An empty tally; `max_units` bounds its memory (some 100 bytes each)."""
        self._baseline = baseline
        self._places = {label: place for place, label in enumerate(baseline.labels)}
        self._max_units = max_units
        self._seen: dict[int, tuple[int, int]] = {}  # unit: (step it was last seen in, one bit for each counter)
        self._steps: list[dict[Arm, _Counting]] = []
        self.unknown_units = 0

    def begin_step(self) -> None:
        """From now on requests belong to the next step."""
        self._steps.append({arm: _Counting(self._baseline) for arm in Arm})

    def count(self, served: Served) -> None:
        """Counts one request, which belongs to the step it was routed in: the running one.

        Raises:
            IndexError: no step has begun.
        """
        arm = self._steps[-1][served.arm]
        arm.requests += 1
        arm.failed += served.failed
        bits = self._bits(served)
        if served.unit is None:
            arm.units += 1
            arm.add(bits)
            return
        key = int.from_bytes(hashlib.blake2b(served.unit.encode("utf-8", "surrogatepass"), digest_size=8).digest())
        step, counted = self._seen.get(key, (-1, 0))
        if step < 0 and len(self._seen) >= self._max_units:
            self.unknown_units += 1
            return
        arm.units += step != len(self._steps) - 1
        if bits & ~counted:
            arm.add(bits & ~counted)
        self._seen[key] = (len(self._steps) - 1, counted | bits)

    def counters(self) -> ReleaseCounters:
        """The counters so far."""
        return ReleaseCounters(
            tuple(StepCounters(step[Arm.CHAMPION].frozen(), step[Arm.CHALLENGER].frozen()) for step in self._steps)
        )

    def _bits(self, served: Served) -> int:
        """One bit for each counter the request belongs to: failed, over each threshold, of each class."""
        bits = int(served.failed)
        for place, threshold_s in enumerate(self._baseline.of_arm(served.arm)):
            if served.latency_s <= threshold_s:
                break  # thresholds rise
            bits |= 2 << place
        first = 1 + len(self._baseline.thresholds_s)
        for label in served.labels:
            place = self._places.get(label, -1)
            if place >= 0:
                bits |= 1 << (first + place)
        return bits


class _Counting:
    """One arm of the running step, while it is counted."""

    __slots__ = ("_events", "_thresholds", "failed", "requests", "units")

    def __init__(self, baseline: FrozenBaseline) -> None:
        self._thresholds = len(baseline.thresholds_s)
        self._events = [0] * (1 + self._thresholds + len(baseline.labels))
        self.requests = self.failed = self.units = 0

    def add(self, bits: int) -> None:
        """One more for each bit."""
        while bits:
            lowest = bits & -bits
            self._events[lowest.bit_length() - 1] += 1
            bits ^= lowest

    def frozen(self) -> ArmCounters:
        """The value of this moment."""
        slow = self._events[1 : 1 + self._thresholds]
        classes = self._events[1 + self._thresholds :]
        return ArmCounters(self.requests, self.failed, self.units, self._events[0], tuple(slow), tuple(classes))
