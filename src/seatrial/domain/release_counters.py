"""What a release counts: a few integers for each step and arm, from which every decision can be replayed.

Events count units: of one user or session, each counter takes the first event of the whole release, in the step and
arm where it happened. Without a unit, the request is the unit.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

__all__ = ["Arm", "ArmCounters", "FrozenBaseline", "ReleaseCounters", "ReleasePlace", "StepCounters"]


class Arm(enum.StrEnum):
    """The two sides of a release."""

    CHAMPION = "champion"
    CHALLENGER = "challenger"


@dataclass(frozen=True, slots=True)
class ReleasePlace:
    """Where in a release a request was routed, which is where it counts, however late it ends.

    Attributes:
        release: its identifier.
        step: counted from 0; None: the bake period, after the full rollout.
    """

    release: str
    arm: Arm
    step: int | None


@dataclass(frozen=True, slots=True)
class FrozenBaseline:
    """What is fixed when a release starts, and never changes after.

    Attributes:
        thresholds_s: latencies over which a request of the champion is slow, rising; rungs of the ladder.
        tolerant_s: the same for the challenger, each so many rungs higher as are tolerated.
        labels: classes that are counted.
        requests: of the champion, that the thresholds were read from; 0 where that was not written down.
        slow: how many of these were over each threshold.
    """

    thresholds_s: tuple[float, ...]
    tolerant_s: tuple[float, ...]
    labels: tuple[str, ...]
    requests: int = 0
    slow: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if len(self.thresholds_s) != len(self.tolerant_s):
            raise ValueError("Each threshold of the champion has one of the challenger.")
        if self.requests and len(self.slow) != len(self.thresholds_s):
            raise ValueError("Each threshold has a count of the requests that were over it.")

    @property
    def before(self) -> ArmCounters:
        """The champion before the release: what thresholds were frozen from."""
        return ArmCounters(self.requests, slow=self.slow)

    def of_arm(self, arm: Arm) -> tuple[float, ...]:
        """The thresholds of an arm."""
        return self.tolerant_s if arm is Arm.CHALLENGER else self.thresholds_s

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dictionary."""
        lists = {name: list(getattr(self, name)) for name in ("thresholds_s", "tolerant_s", "labels", "slow")}
        return {**lists, "requests": self.requests}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> FrozenBaseline:
        """What `to_json` wrote.

        Example:
            >>> baseline = FrozenBaseline((0.04,), (0.044,), ("negative", "positive"))
            >>> FrozenBaseline.from_json(baseline.to_json()) == baseline
            True
        """
        fixed = {name: tuple(document[name]) for name in ("thresholds_s", "tolerant_s", "labels")}
        return cls(**fixed, requests=document.get("requests", 0), slow=tuple(document.get("slow", ())))


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
        before: of the champion before the release, all that its frozen thresholds rest on.
    """

    steps: tuple[StepCounters, ...] = ()
    bake: ArmCounters = field(default_factory=ArmCounters)
    before: ArmCounters = field(default_factory=ArmCounters)

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dictionary."""
        steps = [step.to_json() for step in self.steps]
        return {"steps": steps, "bake": self.bake.to_json(), "before": self.before.to_json()}

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
        before = ArmCounters.from_json(document["before"]) if "before" in document else ArmCounters()
        return cls(steps, ArmCounters.from_json(document["bake"]), before)
