"""Which version answers whom: the split of a model's traffic, and where each unit falls in it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seatrial.domain.errors import ReleasePlanError
from seatrial.domain.release_counters import FrozenBaseline
from seatrial.domain.release_plan import FULL_PERCENT, check_percent

__all__ = ["TrafficSplit", "WatchedRelease", "bucket"]


@dataclass(frozen=True, slots=True)
class TrafficSplit:
    """Which share of a model's traffic each of its versions gets.

    Attributes:
        model: its name.
        percents: version and percentage, the challenger first: what it gains as it grows, it takes from the next, so
            that no unit moves back and forth. They sum to 100.
        salt: what units are spread with; another salt spreads them otherwise.
    """

    model: str
    percents: tuple[tuple[int, float], ...]
    salt: str = ""

    def __post_init__(self) -> None:
        versions = [version for version, _ in self.percents]
        for _, percent in self.percents:
            check_percent(percent)
        if len(set(versions)) != len(versions):
            raise ReleasePlanError(f"A split names each version once, not {versions}.")
        hundredths = sum(round(100 * percent) for _, percent in self.percents)
        if hundredths != 100 * FULL_PERCENT:
            raise ReleasePlanError(f"The shares of a split sum to 100 %, not {hundredths / 100:g} %.")

    def version_of(self, unit: str) -> int:
        """The version that answers a unit, always the same under the same split.

        Example:
            >>> split = TrafficSplit("m", ((2, 10.0), (1, 90.0)), "release-7")
            >>> {split.version_of(f"user-{number}") for number in range(100)}
            {1, 2}
        """
        place, upper = FULL_PERCENT * bucket(unit, self.salt), 0.0
        for version, percent in self.percents:
            upper += percent
            if place < upper:
                return version
        return self.percents[-1][0]

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dictionary."""
        return {"model": self.model, "percents": [list(pair) for pair in self.percents], "salt": self.salt}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> TrafficSplit:
        """The split that `to_json` wrote.

        Raises:
            ReleasePlanError: it is none, or an impossible one.
        """
        try:
            percents = tuple((int(version), float(percent)) for version, percent in document["percents"])
            return cls(str(document["model"]), percents, str(document["salt"]))
        except (KeyError, TypeError, ValueError) as error:
            raise ReleasePlanError(f"This is no split ({error!r}): it needs model, percents and salt.") from error


@dataclass(frozen=True, slots=True)
class WatchedRelease:
    """What is counted while a split holds.

    Attributes:
        release: its identifier.
        champion: version in production.
        challenger: version that wants to be.
        step: index of the running step, from 0: what is routed from now on belongs to it.
        bake: the full rollout has happened, and what is routed now belongs to the time after it.
        baseline: thresholds and labels of the counters.
        mirror_percent: share of the champion's requests that the challenger is asked too.
    """

    release: str
    champion: int
    challenger: int
    step: int
    bake: bool
    baseline: FrozenBaseline
    mirror_percent: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dictionary."""
        return {
            "id": self.release,
            "champion": self.champion,
            "challenger": self.challenger,
            "step": self.step,
            "bake": self.bake,
            "baseline": self.baseline.to_json(),
            "mirror_percent": self.mirror_percent,
        }


def bucket(unit: str, salt: str) -> float:
    """Where a unit falls between 0 and 1, evenly, always at the same place for the same salt.

    A version has a unit while its share reaches over the unit's place: growing it takes more units in and lets none go.

    Example:
        >>> round(bucket("user-1", "release-7"), 6)
        0.218319
    """
    digest = hashlib.sha256(f"{salt}:{unit}".encode("utf-8", "surrogatepass")).digest()
    # 53 bits are what a float holds: all 64 could round up to 1, which no share reaches over.
    return (int.from_bytes(digest[:8]) >> 11) / 2**53
