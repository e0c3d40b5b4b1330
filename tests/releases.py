"""Releases for tests: a project with two proven versions, a data plane in memory, a clock that is told the time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from seatrial.control.controller import Controller
from seatrial.domain.release import ReleaseState, StepPlan
from seatrial.domain.release_counters import FrozenBaseline
from seatrial.domain.release_plan import ReleasePlan
from seatrial.flows.release_start import ReleaseRequest, start
from seatrial.registry.memory_registry import MemoryRegistry
from seatrial.release.fake_plane import FakePlane
from seatrial.store.releases import ReleaseRecord
from seatrial.wiring.steering import Steering
from seatrial.wiring.workshop import Workshop
from tests.houses import MODEL, enrol, make_artifact, open_workshop, promote

__all__ = ["BASELINE", "START_S", "House", "new_house", "release_record"]

START_S = 1_700_000_000.0
BASELINE = FrozenBaseline((0.04,), (0.044,), ("negative", "positive"))
SETTINGS: Mapping[str, object] = {
    "release.steps": (10.0, 50.0, 100.0),
    "release.min_requests": 100,
    "release.budget_requests": 400,
    "release.effect_error_ratio": 50.0,
    "release.bake_s": 60.0,
}


def release_record(release: str = "r-1", model: str = "m", **state: object) -> ReleaseRecord:
    """A release of version 2 over version 1, in two steps."""
    plan = ReleasePlan((StepPlan(10.0, 100, 400), StepPlan(50.0, 100, 400)))
    values: dict[str, object] = {"champion": 1, "challenger": 2, "requester": "ann", "since_s": START_S, **state}
    return ReleaseRecord(
        ReleaseState(release, model, plan_sha256=plan.sha256, **values),  # type: ignore[arg-type]  # tests name fields
        plan,
        BASELINE,
    )


@dataclass
class House:
    """A project, its data plane and its clock."""

    directory: Path
    registry: MemoryRegistry
    plane: FakePlane
    now_s: float = START_S
    overrides: dict[str, object] = field(default_factory=lambda: dict(SETTINGS))
    units: int = 0

    @property
    def model(self) -> str:
        """What the project makes."""
        return str(self.overrides.get("model.name", MODEL))

    def workshop(self) -> Workshop:
        """Opened anew, as another process would."""
        return open_workshop(self.directory, self.registry, self.overrides)

    @property
    def steering(self) -> Steering:
        """The data plane in memory."""
        return Steering(self.plane, self.plane)

    def controller(self, workshop: Workshop) -> Controller:
        """One more controller."""
        return Controller(workshop, self.steering, lambda: self.now_s)

    def begin(self, workshop: Workshop, ref: str = "", requester: str = "ann") -> ReleaseRecord:
        """A release that nothing forbids."""
        started = start(workshop, self.steering, ReleaseRequest(ref or f"{self.model}@2", requester, self.now_s))
        assert started.record is not None, started.decision
        return started.record

    def shares(self) -> list[tuple[int, float]]:
        """Version and percentage, as they were last set."""
        return list(self.plane.applied[-1].percents)

    def traffic(self, requests: int, *, failing: tuple[int, ...] = ()) -> None:
        """So many requests, each of a user of its own."""
        names = [f"user-{number}" for number in range(self.units, self.units + requests)]
        self.units += requests
        for label, some in (("negative", names[::2]), ("positive", names[1::2])):
            self.plane.serve(self.model, some, failing=failing, labels=(label,))


def new_house(directory: Path, model: str = MODEL, plane: FakePlane | None = None) -> House:
    """Version 1 in production and served, version 2 proven and waiting."""
    house = House(directory, MemoryRegistry(directory / "registry"), plane or FakePlane())
    house.overrides["model.name"] = model
    workshop = house.workshop()
    for seed in (1.0, 0.5):
        make_artifact(workshop, enrol(workshop, seed))
        if seed == 1.0:
            promote(workshop, 1)
    workshop.close()
    house.plane.loaded[model] = {1}
    return house
