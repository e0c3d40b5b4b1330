"""A data plane that exists in memory only: router and metric source for tests, held to the same contract."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from seatrial.domain.assignment import Assignment
from seatrial.domain.errors import LeaseLostError, UnreachableError
from seatrial.domain.latency import LATENCY_EDGES_S, LatencyCounts
from seatrial.domain.release import (
    Arm,
    ArmCounters,
    ReleaseCounters,
    ReleaseTally,
    Report,
    Served,
    TrafficSplit,
    WatchedRelease,
)

__all__ = ["FakePlane"]

_SLOW_S = 0.1
"""No request is as slow, unless a histogram is given."""


class FakePlane:
    """A `TrafficRouter` and a `MetricSource` in one: it splits, counts, restarts and vanishes as it is told.

    Attributes:
        answers: whether it can be reached.
        loaded: versions by model.
        served: how many requests each version of each model got.
        applied: every split that was made true, in order.
        experiments: the running experiment of each model.
    """

    def __init__(self, latencies: LatencyCounts | None = None) -> None:
        self.answers = True
        self.loaded: dict[str, set[int]] = {}
        self.served: dict[tuple[str, int], int] = {}
        self.applied: list[TrafficSplit] = []
        self.experiments: dict[str, Assignment | None] = {}
        self._latencies = latencies or LatencyCounts(
            tuple(LATENCY_EDGES_S), tuple(10 * (edge_s < _SLOW_S) for edge_s in (*LATENCY_EDGES_S, _SLOW_S))
        )
        self._splits: dict[str, TrafficSplit] = {}
        self._fences: dict[str, int] = {}
        self._watched: dict[str, tuple[WatchedRelease, ReleaseTally]] = {}
        self._bakes: dict[str, ArmCounters] = {}
        self._process = self._tallies = 1

    def apply(
        self,
        split: TrafficSplit,
        *,
        fence: int,
        watched: WatchedRelease | None = None,
        experiment: Assignment | None = None,
    ) -> None:
        """Makes the split true."""
        self._reach()
        if fence < self._fences.get(split.model, 0):
            raise LeaseLostError("A newer controller has been here: that one goes on.")
        self._fences[split.model] = fence
        self.loaded.setdefault(split.model, set()).update(version for version, _ in split.percents)
        self._splits[split.model] = split
        self.applied.append(split)
        self.experiments[split.model] = experiment
        if watched is None:
            self._watched.pop(split.model, None)
            return
        known = self._watched.get(split.model)
        tally = known[1] if known and known[0].release == watched.release else ReleaseTally(watched.baseline)
        while len(tally.counters().steps) <= watched.step:
            tally.begin_step()
        self._watched[split.model] = watched, tally

    def current(self, model: str) -> TrafficSplit | None:
        """The split that is true now."""
        self._reach()
        return self._splits.get(model)

    def retire(self, model: str, version: int) -> None:
        """Lets go of a version."""
        self._reach()
        self.loaded.get(model, set()).discard(version)

    def counters(self, release: str) -> Mapping[str, Report]:
        """What this process has counted."""
        self._reach()
        for watched, tally in self._watched.values():
            if watched.release == release:
                counted = ReleaseCounters(tally.counters().steps, self._bakes.get(release, ArmCounters()))
                return {"local": Report(f"process-{self._process}", f"tally-{self._tallies}", counted)}
        return {}

    def latencies(self, model: str, version: int) -> LatencyCounts:
        """The same for every version that is loaded."""
        self._reach()
        if version not in self.loaded.get(model, ()):
            raise UnreachableError(f"{model}@{version} is not loaded.")
        return self._latencies

    def counted(self, latencies: LatencyCounts) -> None:
        """From now on that is what every loaded version has answered."""
        self._latencies = latencies

    def restart(self, *, restored: bool = False) -> None:
        """A new process with the same split; what was counted is found again or not."""
        self._process += 1
        if restored:
            return
        self._tallies += 1
        self._watched = {model: (watched, self._fresh(watched)) for model, (watched, _) in self._watched.items()}
        self._bakes = {}

    def serve(
        self, model: str, units: Iterable[str], *, failing: Iterable[int] = (), labels: tuple[str, ...] = ()
    ) -> None:
        """One request of each unit, routed by the split; versions in `failing` fail all of theirs."""
        failed_versions = set(failing)
        for unit in units:
            version = self._splits[model].version_of(unit)
            self.served[model, version] = self.served.get((model, version), 0) + 1
            self._count(model, version, Served(Arm.CHAMPION, unit, version in failed_versions, 0.01, labels))

    def _count(self, model: str, version: int, served: Served) -> None:
        if model not in self._watched:
            return
        watched, tally = self._watched[model]
        if watched.bake:
            baked = self._bakes.get(watched.release, ArmCounters())
            self._bakes[watched.release] = ArmCounters(baked.requests + 1, baked.failed_requests + served.failed)
            return
        arm = Arm.CHALLENGER if version == watched.challenger else Arm.CHAMPION
        tally.count(Served(arm, served.unit, served.failed, served.latency_s, served.labels))

    @staticmethod
    def _fresh(watched: WatchedRelease) -> ReleaseTally:
        tally = ReleaseTally(watched.baseline)
        for _ in range(watched.step + 1):
            tally.begin_step()
        return tally

    def _reach(self) -> None:
        if not self.answers:
            raise UnreachableError("The data plane does not answer: it was told not to.")
