"""The outbox: in order, at least once, whatever ends in between."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import pytest

from seatrial.config import NotifiedEvent
from seatrial.domain.errors import NotTakenError, UnreachableError
from seatrial.notifications.notices import Notice
from seatrial.notifications.outbox import POLL_S, RECEIVER, Outbox
from seatrial.notifications.posting import Post
from seatrial.notifications.signing import new_secret, parse_secrets
from seatrial.notifications.webhook import Webhook
from seatrial.store.deliveries import Position
from seatrial.store.ledger import EntryKind
from seatrial.store.store import Store
from tests.fuses import Fuse, Fused, Killed
from tests.receivers import Receiver, receiving
from tests.waiting import free_port

EVENTS = get_args(NotifiedEvent)


@dataclass
class Told:
    """A receiver without a network: what it took, and what the next attempts meet."""

    faults: list[Exception] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)
    shown: str = "http://receiver/***"

    def send(self, notice: Notice, now_s: float) -> None:
        if self.faults:
            raise self.faults.pop(0)
        self.taken.append(notice.facts["sentence"])


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{tmp_path / 'seatrial.db'}") as opened:
        yield opened


@dataclass
class Clock:
    now_s: float = 1000.0

    def __call__(self) -> float:
        return self.now_s


def decide(store: Store, *sentences: str) -> None:
    for sentence in sentences:
        payload = {"action": "hold", "release": "m-2-a", "phase": "running", "step": 0, "reason": sentence}
        store.append(EntryKind.DECISION, "m", 2, payload, "ann")


def outbox(store: Any, told: Any, clock: Callable[[], float] = Clock(), events: tuple[str, ...] = EVENTS) -> Outbox:  # noqa: B008  nobody sets it
    made = Outbox(store, told, events, clock)
    made.begin()
    return made


def yes() -> bool:
    return True


def test_the_past_is_not_told_and_what_follows_is_told_in_order(store: Store) -> None:
    decide(store, "past")
    told = Told()
    box = outbox(store, told)
    assert box.turn(yes) == POLL_S
    decide(store, "one", "two")
    store.append(EntryKind.NOTE, "m", None, {}, "ann")
    box.turn(yes)
    box.turn(yes)
    assert told.taken == ["one", "two"]
    assert store.deliveries.read(RECEIVER) == Position(store.head().seq)


def test_another_process_goes_on_where_the_last_one_was(store: Store) -> None:
    first, second = Told(), Told()
    outbox(store, first)
    decide(store, "one")  # and the process ends: nobody was told
    outbox(store, second).turn(yes)
    assert (first.taken, second.taken) == ([], ["one"])


def test_only_the_chosen_events_are_told(store: Store) -> None:
    told = Told()
    box = outbox(store, told, events=("alias.foreign",))
    decide(store, "one")
    store.append(EntryKind.FOREIGN, "m", None, {"what": "alias", "role": "production", "ours": 1, "theirs": 2}, "c")
    box.turn(yes)
    assert len(told.taken) == 1
    assert told.taken[0].startswith("Outside Seatrial")


def test_who_may_not_send_sends_nothing_and_loses_nothing(store: Store) -> None:
    told = Told()
    box = outbox(store, told)
    decide(store, "one", "two", "three")
    box.turn(lambda: len(told.taken) < 1)
    assert told.taken == ["one"]
    box.turn(yes)
    assert told.taken == ["one", "two", "three"]


def test_a_receiver_that_is_away_is_waited_for_ever_longer_and_then_told_in_order(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    clock, told = Clock(), Told([UnreachableError("away")] * 12)
    box = outbox(store, told, clock)
    decide(store, "one", "two")
    with caplog.at_level(logging.INFO):
        waits = [box.turn(yes) for _ in range(12)]
    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 300.0, 300.0, 300.0]
    assert store.deliveries.read(RECEIVER) == Position(0, 1000.0, "away")
    assert [one.message for one in caplog.records].count("notification not delivered") == 1, "not a line each time"
    clock.now_s += 10 * 86_400
    assert box.turn(yes) == POLL_S
    assert told.taken == ["one", "two"]
    assert store.deliveries.read(RECEIVER) == Position(2)
    decide(store, "three")
    told.faults = [UnreachableError("away")]
    assert box.turn(yes) == 1.0, "it begins with a short wait again"


def test_a_receiver_may_ask_for_time(store: Store) -> None:
    box = outbox(store, Told([NotTakenError("busy", 503, 120.0)]))
    decide(store, "one")
    assert box.turn(yes) == 120.0


def test_a_message_that_is_refused_as_such_for_an_hour_makes_room_for_the_next(store: Store) -> None:
    clock, told = Clock(), Told()
    box = outbox(store, told, clock)
    decide(store, "one", "two")
    for at_s in (0.0, 1800.0, 3599.0):
        clock.now_s = 1000.0 + at_s
        told.faults = [NotTakenError("no", 422)]
        box.turn(yes)
    assert told.taken == []
    clock.now_s, told.faults = 4600.0, [NotTakenError("no", 422)]
    box.turn(yes)
    assert told.taken == ["two"]
    (note,) = store.entries(kind=EntryKind.NOTE)
    assert note.payload == {"notification": "given up", "receiver": "webhook", "entry": 1, "reason": "no"}


@pytest.mark.parametrize(
    "fault", [UnreachableError("away"), NotTakenError("who are you", 401), NotTakenError("x", 503)]
)
def test_what_is_wrong_with_the_receiver_is_waited_for_without_end(store: Store, fault: Exception) -> None:
    clock, told = Clock(), Told()
    box = outbox(store, told, clock)
    decide(store, "one")
    for _ in range(4):
        clock.now_s += 86_400
        told.faults = [fault]
        box.turn(yes)
    told.faults = [NotTakenError("no", 400)]
    box.turn(yes)
    assert store.deliveries.read(RECEIVER) == Position(0, 87_400.0, "no"), "the hour of a refusal begins with it"


def test_of_two_processes_neither_takes_the_position_back(store: Store) -> None:
    first = outbox(store, Told())
    decide(store, "one", "two")

    class Slow(Told):
        def send(self, notice: Notice, now_s: float) -> None:
            super().send(notice, now_s)
            if len(self.taken) == 1:
                first.turn(yes)  # somebody else is faster meanwhile

    slow = Slow()
    outbox(store, slow).turn(yes)
    assert slow.taken == ["one"]
    assert store.deliveries.read(RECEIVER) == Position(2)


def test_killed_before_any_call_every_message_is_told_in_order(tmp_path: Path) -> None:
    """A process that ends between commit and sending, or between sending and noting it, loses nothing."""
    number = 0
    while True:
        number += 1
        with Store.open(f"sqlite:///{tmp_path / f'{number}.db'}") as store:
            told, fuse = Told(), Fuse(number)
            outbox(store, told)
            decide(store, "one", "two", "three")
            fused = Fused(store, fuse)
            vars(fused)["deliveries"] = Fused(store.deliveries, fuse)
            try:
                Outbox(fused, Fused(told, fuse), EVENTS, Clock()).turn(yes)  # type: ignore[arg-type]  # a fuse around each
            except Killed:
                outbox(store, told).turn(yes)
            else:
                assert number > 6, "there is nothing to be killed at"
                break
            assert list(dict.fromkeys(told.taken)) == ["one", "two", "three"], f"killed before call {number}"
            assert len(told.taken) <= 4, "at most the one in between is told twice"


def test_an_outage_of_a_real_receiver_and_then_everything_in_order(store: Store) -> None:
    port, secret = free_port(), new_secret()
    post = Post(f"http://127.0.0.1:{port}/hooks", 10.0)
    box = outbox(store, Webhook(post, parse_secrets(secret, "here")), Clock(1_700_000_000.0))
    decide(store, "one", "two", "three")
    assert box.turn(yes) == 1.0
    with receiving(Receiver(answers=[204, 500]), port) as receiver:
        assert box.turn(yes) == 1.0, "the second one fails"
        assert box.turn(yes) == POLL_S
    post.close()
    assert [one["data"]["sentence"] for one in receiver.documents] == ["one", "two", "three"]
    first, second, again, third = receiver.ids
    assert second == again, "the same message keeps its id"
    assert len({first, second, third}) == 3
    assert {headers["webhook-timestamp"] for _, headers, _ in receiver.came} == {"1700000000"}
