"""Killed between any two calls of store, data plane, registry and index, every look ends in the same place."""

from __future__ import annotations

import copy
import shutil
from pathlib import Path
from typing import Any

import pytest

from seatrial.control.controller import Controller
from seatrial.domain.evidence import Verdict
from seatrial.domain.model import Alias
from seatrial.domain.release import Phase
from seatrial.flows import audit
from seatrial.registry.memory_registry import MemoryRegistry
from seatrial.store.ledger import EntryKind
from seatrial.wiring.steering import Steering
from tests.fuses import Fuse, Fused, Killed
from tests.houses import MODEL
from tests.releases import House


def look(house: House, fuse: Fuse) -> None:
    """One look of a process of its own, which may be killed before any of its calls."""
    workshop = house.workshop()
    store = workshop.store
    try:
        plane = Fused(house.plane, fuse)
        fused = Fused(store, fuse)
        vars(fused)["releases"] = Fused(store.releases, fuse)
        vars(workshop).update(store=fused, registry=Fused(workshop.registry, fuse), index=Fused(workshop.index, fuse))
        Controller(workshop, Steering(plane, plane), lambda: house.now_s).look()
    finally:
        store.close()


def outcome(house: House) -> dict[str, Any]:
    """What everybody says after a look."""
    workshop = house.workshop()
    store, state = workshop.store, workshop.store.releases.latest()[MODEL].state
    said = {
        "place": (state.phase, state.step, state.passed, state.mismatched),
        "aliases": store.aliases(MODEL),
        "registry": dict(workshop.registry.aliases(MODEL)),
        "index": workshop.index.aliases(MODEL),
        "split": house.plane.current(MODEL),
        "loaded": set(house.plane.loaded[MODEL]),
        "pending": store.pending(MODEL),
        "counted": [step.requests for step in store.releases.latest()[MODEL].counters.steps if step.requests],
        "moves": [entry.payload["moves"] for entry in store.entries(MODEL, kind=EntryKind.ALIAS)],
        "ledger": [finding.verdict for finding in store.verify([store.head()])],
    }
    workshop.close()
    return said


def once_more(house: House, directory: Path) -> House:
    """The same project, data plane and moment, in another place."""
    shutil.copytree(house.directory, directory)
    registry = MemoryRegistry(directory / "registry")
    registry._models = copy.deepcopy(house.registry._models)  # its state lives in memory
    return House(directory, registry, copy.deepcopy(house.plane), house.now_s, units=house.units)


@pytest.mark.parametrize(
    ("failing", "phase", "production"), [((), Phase.DONE, 2), ((2,), Phase.ROLLED_BACK, 1)], ids=["equal", "failing"]
)
def test_killed_before_any_call_the_next_look_ends_in_the_same_place(
    house: House, memory: Path, failing: tuple[int, ...], phase: Phase, production: int
) -> None:
    workshop = house.workshop()
    house.begin(workshop)
    workshop.close()
    kills, said = 0, outcome(house)
    while not said["place"][0].over:
        before = once_more(house, memory / "before")
        fuse = Fuse()
        look(house, fuse)
        said = outcome(house)
        for number in range(1, fuse.calls + 1):
            killed = once_more(before, memory / "killed")
            with pytest.raises(Killed):
                look(killed, Fuse(number))
            killed.now_s += 31  # its lease runs out
            look(killed, Fuse())
            assert outcome(killed) == said, f"killed before call {number} of the look that led to {said['place']}"
            shutil.rmtree(killed.directory)
        kills += fuse.calls
        shutil.rmtree(before.directory)
        house.traffic(500, failing=failing)
        house.now_s += 61

    assert said["place"][0] is phase
    assert said["aliases"][Alias.PRODUCTION] == production
    assert said["split"].percents == ((production, 100.0),)
    assert kills > 20, "there is nothing to be killed at"
    workshop = house.workshop()
    findings = [finding for finding in audit.verify(workshop, [MODEL]) if finding.check != "ledger.anchor"]
    workshop.close()
    assert {finding.verdict for finding in findings} == {Verdict.PASS}, findings
