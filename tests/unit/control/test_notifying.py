"""Receivers beside a running controller: none of them keeps it, or another one, from anything."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from seatrial.control.notifying import Notifier, run_turns
from seatrial.domain.errors import ConfigError, StorageFullError
from seatrial.domain.release import Phase
from seatrial.wiring.notifying import SECRET_VARIABLE
from tests.houses import MODEL
from tests.receivers import Receiver, receiving
from tests.releases import House
from tests.waiting import told


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SECRET_VARIABLE, "a secret of sixteen bytes")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as listening:
        yield listening


def rolled_back(house: House, notify: Callable[[House], None]) -> None:
    """A release of a version that fails, under a controller that tells about it."""
    workshop = house.workshop()
    controller = house.controller(workshop)
    with Notifier(workshop, lambda: controller.active):
        house.begin(workshop)
        controller.look()
        house.traffic(3000, failing=(2,))  # some 300 for the new version: beyond the 100 of the hard stop
        controller.look()
        assert workshop.store.releases.latest()[MODEL].state.phase is Phase.ROLLED_BACK
        notify(house)
    controller.close()
    workshop.close()


def test_a_release_is_told_from_its_beginning_to_its_end(house: House, receiver: Receiver) -> None:
    house.overrides |= {"control.webhook_url": receiver.url}
    rolled_back(house, lambda _: receiver.wait_for(3))
    assert [one["type"] for one in receiver.documents] == ["release.started", "release.held", "release.rolled_back"]
    last = receiver.documents[-1]["data"]
    assert (last["model"], last["version"], last["actor"]) == (MODEL, 2, "controller")
    assert last["command"] == f"seatrial release status {MODEL}"
    assert last["against"][0]["verdict"] == "fail"


def test_a_rollback_alarms_at_alertmanager(house: House, receiver: Receiver) -> None:
    house.overrides |= {"control.alertmanager_url": receiver.url}
    rolled_back(house, lambda _: receiver.wait_for(1))
    (alert,) = receiver.documents[0]
    assert alert["labels"] == {"alertname": "SeatrialHardStop", "model": MODEL, "severity": "critical"}
    assert receiver.came[0][0] == "/hooks/secret-path/api/v2/alerts"


def test_a_receiver_that_hangs_delays_neither_the_controller_nor_the_other_receiver(
    house: House, receiver: Receiver
) -> None:
    """The release is rolled back, and Alertmanager told, while the webhook has not answered its first message."""
    hanging, answer = threading.Event(), threading.Event()

    def hang(_body: bytes) -> None:
        hanging.set()
        assert answer.wait(60)

    with receiving(Receiver(before_answering=hang)) as slow:
        house.overrides |= {"control.webhook_url": slow.url, "control.alertmanager_url": receiver.url}

        def meanwhile(_house: House) -> None:
            assert hanging.wait(60)
            receiver.wait_for(1)
            assert slow.came == []
            answer.set()
            slow.wait_for(1)

        rolled_back(house, meanwhile)


def test_a_standby_controller_tells_nobody(house: House, receiver: Receiver) -> None:
    house.overrides |= {"control.webhook_url": receiver.url}
    workshop = house.workshop()
    active, standby = house.controller(workshop), house.controller(workshop)
    active.look()
    assert standby.look() is None
    assert (active.active, standby.active) == (True, False)
    asked = threading.Event()

    def standby_is_active() -> bool:
        asked.set()
        return standby.active

    with Notifier(workshop, standby_is_active):
        house.begin(workshop)
        assert asked.wait(60), "it has something to say"
    assert receiver.came == []
    with Notifier(workshop, lambda: active.active):
        receiver.wait_for(1)
    assert [one["type"] for one in receiver.documents] == ["release.started"]
    active.close()
    assert not active.active
    workshop.close()


def test_a_webhook_without_a_secret_keeps_the_control_plane_from_starting(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(SECRET_VARIABLE)
    house.overrides |= {"control.webhook_url": "http://127.0.0.1:9/x"}
    workshop = house.workshop()
    with pytest.raises(ConfigError, match="needs a secret"):
        Notifier(workshop, lambda: True)
    workshop.close()


@pytest.mark.parametrize(
    ("fault", "said"), [(StorageFullError("full"), "notifications wait"), (ZeroDivisionError(), "notifications failed")]
)
def test_no_fault_ends_the_turns(fault: Exception, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seatrial.control.notifying._FAULT_PAUSE_S", 0.0)
    stop, turns = threading.Event(), []

    def turn(may_send: Callable[[], bool]) -> float:
        turns.append(may_send())
        if len(turns) == 1:
            raise fault
        stop.set()
        return 0.0

    with told(said) as heard:
        run_turns(turn, lambda: True, stop)
    assert heard.is_set()
    assert turns == [True, True]
