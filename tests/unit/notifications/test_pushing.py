"""When alarms are told: at once when something changes, again while it holds, and not by who may not."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from seatrial.domain.errors import UnreachableError
from seatrial.notifications.alarms import Alarm
from seatrial.notifications.outbox import POLL_S
from seatrial.notifications.pushing import AlarmPusher
from seatrial.store.ledger import EntryKind
from seatrial.store.store import Store

FOREIGN = {"what": "alias", "role": "production", "ours": 1, "theirs": 2}


@dataclass
class Told:
    """An Alertmanager without a network."""

    interval_s: float = 60.0
    faults: list[Exception] = field(default_factory=list)
    sent: list[list[tuple[str, bool]]] = field(default_factory=list)
    shown: str = "http://alertmanager/***"

    def send(self, alarms: Sequence[Alarm], now_s: float) -> None:
        if self.faults:
            raise self.faults.pop(0)
        self.sent.append([(one.name, one.until_s is not None and one.until_s <= now_s) for one in alarms])


@dataclass
class World:
    """A store and a pusher, and the time of both."""

    store: Store
    told: Told
    now_s: float = 1_700_000_000.0

    def pusher(self) -> AlarmPusher:
        return AlarmPusher(self.store, self.told, 86_400.0, lambda: self.now_s)  # type: ignore[arg-type]  # without a network

    def foreign(self, **settled: str) -> None:
        self.store.append(EntryKind.FOREIGN, "m", None, {**FOREIGN, **settled}, "controller")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World.__new__(World)

    def clock() -> datetime:
        return datetime.fromtimestamp(made.now_s, UTC)

    with Store.open(f"sqlite:///{tmp_path / 'seatrial.db'}", clock=clock) as store:
        made.__init__(store, Told())  # type: ignore[misc]  # the store's clock is the world's
        yield made


def yes() -> bool:
    return True


def test_what_changes_is_told_at_once_and_what_holds_at_each_interval(world: World) -> None:
    pusher, told = world.pusher(), world.told
    pusher.turn(yes)
    assert told.sent == [], "nothing is wrong"
    world.foreign()
    for after_s in (1, 30, 59, 61, 62):
        world.now_s = 1_700_000_000.0 + after_s
        assert pusher.turn(yes) == POLL_S
    assert told.sent == [[("SeatrialForeignMove", False)]] * 2
    world.foreign(settled="taken back")
    world.now_s += 3600
    pusher.turn(yes)
    assert told.sent[-1] == [("SeatrialForeignMove", True)]
    world.now_s += 901
    sent = len(told.sent)
    pusher.turn(yes)
    world.now_s += 61
    pusher.turn(yes)
    assert len(told.sent) == sent, "its end has been told for long enough"


def test_another_process_tells_what_still_holds(world: World) -> None:
    world.foreign()
    world.pusher().turn(yes)
    world.pusher().turn(yes)
    assert world.told.sent == [[("SeatrialForeignMove", False)]] * 2


def test_who_may_not_send_sends_nothing(world: World) -> None:
    world.foreign()
    pusher = world.pusher()
    assert pusher.turn(lambda: False) == POLL_S
    assert world.told.sent == []
    pusher.turn(yes)
    assert world.told.sent == [[("SeatrialForeignMove", False)]]


def test_an_alertmanager_that_is_away_is_told_when_it_comes_back(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.told.faults = [UnreachableError("away")] * 8
    world.foreign()
    pusher = world.pusher()
    with caplog.at_level(logging.INFO):
        waits = [pusher.turn(yes) for _ in range(9)]
    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, POLL_S]
    assert world.told.sent == [[("SeatrialForeignMove", False)]]
    said = [one.message for one in caplog.records if one.name.startswith("seatrial.notifications")]
    assert said == ["alarms not delivered", "alarms are taken again"]


def test_a_clock_that_goes_back_tells_at_once(world: World) -> None:
    world.foreign()
    pusher = world.pusher()
    pusher.turn(yes)
    world.now_s -= 0.5
    pusher.turn(yes)
    world.now_s += 0.5
    pusher.turn(yes)
    assert world.told.sent[0] == world.told.sent[-1] == [("SeatrialForeignMove", False)]
