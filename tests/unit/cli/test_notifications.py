"""Trying the receivers, and seeing what waits, from the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from seatrial.flows.doctor import State, examine
from seatrial.store.deliveries import Position
from seatrial.store.ledger import EntryKind
from seatrial.store.store import Store
from tests.receivers import Receiver, receiving
from tests.unit.cli.conftest import Command
from tests.waiting import free_port

SECRET = "a secret of sixteen bytes"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as listening:
        yield listening


def write(directory: Path, **settings: str) -> Path:
    """A project that names receivers."""
    (directory / "secret").write_text(SECRET)
    lines = [f'{key} = "{value}"' for key, value in {"webhook_secret_file": "secret", **settings}.items()]
    (directory / "seatrial.toml").write_text("\n".join(["[control]", *lines]))
    return directory


def test_both_receivers_are_tried(seatrial: Command, tmp_path: Path, receiver: Receiver) -> None:
    project = write(tmp_path, webhook_url=receiver.url, alertmanager_url=receiver.url)
    ended = seatrial("notifications", "test", "-C", project, "--json")
    assert ended.code == 0, ended.err
    assert [(one["receiver"], one["taken"], one["fault"]) for one in json.loads(ended.out)] == [
        ("webhook", True, ""),
        ("alertmanager", True, ""),
    ]
    message, (alert,) = receiver.documents
    assert message["type"] == "test"
    assert alert["labels"]["alertname"] == "SeatrialTest"
    assert receiver.came[0][1]["webhook-id"].startswith("test-")
    shown = seatrial("notifications", "test", "-C", project)
    assert shown.code == 0
    assert "taken" in shown.out
    assert not (project / ".seatrial").exists(), "trying makes no record"
    for secret in (SECRET, "secret-path"):
        assert secret not in ended.out + ended.err + shown.out + shown.err


def test_one_that_does_not_take_it_is_code_3(seatrial: Command, tmp_path: Path, receiver: Receiver) -> None:
    receiver.answers = [500]
    gone = f"http://127.0.0.1:{free_port()}"
    project = write(tmp_path, webhook_url=receiver.url, alertmanager_url=gone)
    ended = seatrial("notifications", "test", "-C", project, "--json")
    assert ended.code == 3
    webhook, alertmanager = json.loads(ended.out)
    assert "answered 500" in webhook["fault"]
    assert "does not answer" in alertmanager["fault"]
    assert "secret-path" not in ended.out + ended.err


def test_without_receivers_or_a_secret_it_is_a_fault_of_the_settings(seatrial: Command, tmp_path: Path) -> None:
    nobody = seatrial("notifications", "test", "-C", tmp_path)
    assert nobody.code == 2
    assert "control.webhook_url or control.alertmanager_url" in nobody.err
    project = write(tmp_path, webhook_url="http://127.0.0.1:9/x", webhook_secret_file="nowhere")
    assert seatrial("notifications", "test", "-C", project).code == 2
    checks = {check.what: check for check in examine(project)}
    assert checks["webhook"].state is State.BROKEN
    write(tmp_path, webhook_url="http://127.0.0.1:9/hidden", alertmanager_url="http://127.0.0.1:9")
    checks = {check.what: check for check in examine(project)}
    assert (checks["webhook"].state, checks["webhook"].found) == (State.OK, "http://127.0.0.1:9/***")
    assert checks["alertmanager"].state is State.OK


def test_what_waits_and_why(seatrial: Command, tmp_path: Path) -> None:
    project = write(tmp_path, webhook_url="http://127.0.0.1:9/x")
    before = seatrial("notifications", "status", "-C", project, "--json")
    nothing: dict[str, object] = {"position": None, "waiting": 0, "failing_since": None, "fault": "", "alarms": []}
    assert json.loads(before.out) == nothing
    assert "has not begun" in seatrial("notifications", "status", "-C", project).out
    with Store.open(f"sqlite:///{project / '.seatrial' / 'seatrial.db'}") as store:
        store.deliveries.begin("webhook", 0)
        for kind in (EntryKind.DECISION, EntryKind.NOTE, EntryKind.DECISION):
            store.append(kind, "m", 1, {"action": "hold", "reason": "No."}, "ann")
        store.deliveries.move("webhook", Position(0), Position(0, 0.0, "It does not answer."))
    stands = json.loads(seatrial("notifications", "status", "-C", project, "--json").out)
    assert stands == {
        "position": 0,
        "waiting": 2,
        "failing_since": "1970-01-01T00:00:00+00:00",
        "fault": "It does not answer.",
        "alarms": [],
    }
    shown = seatrial("notifications", "status", "-C", project).out
    assert "Told up to entry 0 of the record; 2 wait." in shown
    assert "It does not answer." in shown
    checks = {check.what: check for check in examine(project)}
    assert checks["notifications"].state is State.NOTE
    assert checks["notifications"].found == "2 wait since 1970-01-01T00:00:00+00:00: It does not answer."


def test_the_alarms_that_stand_are_told_without_any_receiver(seatrial: Command, tmp_path: Path) -> None:
    assert "No alarm stands." in seatrial("notifications", "status", "-C", tmp_path).out
    moved = {"what": "alias", "role": "production", "ours": 1, "theirs": 2}
    with Store.open(f"sqlite:///{tmp_path / '.seatrial' / 'seatrial.db'}") as store:
        store.append(EntryKind.FOREIGN, "m", None, moved, "controller")
    (alarm,) = json.loads(seatrial("notifications", "status", "-C", tmp_path, "--json").out)["alarms"]
    assert (alarm["alarm"], alarm["model"], alarm["command"]) == (
        "SeatrialForeignMove",
        "m",
        "seatrial models verify m",
    )
    assert "SeatrialForeignMove" in seatrial("notifications", "status", "-C", tmp_path).out
