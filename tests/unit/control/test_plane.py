"""Several projects in one control plane: each has a controller, and a fault of one is not hidden."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from seatrial.control.plane import look_after
from seatrial.control.projects import Steered
from tests.houses import MODEL
from tests.releases import House, new_house


@pytest.fixture
def houses(memory: Path) -> list[House]:
    """Two projects with stores of their own, and one data plane."""
    first = new_house(memory / "first")
    return [first, new_house(memory / "second", "other", first.plane)]


@pytest.fixture
def steered(houses: list[House]) -> Iterator[list[Steered]]:
    opened = [Steered(house.workshop(), house.steering) for house in houses]
    yield opened
    for one in opened:
        one.workshop.close()


def test_the_releases_of_all_projects_are_looked_after(houses: list[House], steered: list[Steered]) -> None:
    for house, one in zip(houses, steered, strict=True):
        house.begin(one.workshop)
    stop = threading.Event()
    thread = threading.Thread(target=look_after, args=(steered, stop))
    thread.start()
    try:
        while {split.model for split in houses[0].plane.applied} != {MODEL, "other"}:
            assert thread.is_alive()
            stop.wait(0.01)
    finally:
        stop.set()
        thread.join()
    assert [split.percents for split in houses[0].plane.applied] == [((2, 10.0), (1, 90.0))] * 2


def test_a_fault_in_one_ends_all_and_is_told(
    houses: list[House], steered: list[Steered], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fault() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(steered[1].workshop.store.releases, "latest", fault)
    with pytest.raises(ZeroDivisionError):
        look_after(steered, threading.Event())
    assert houses[0].controller(steered[0].workshop).look() is not None, "the other one has given its lease back"
