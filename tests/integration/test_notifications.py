"""A real control plane that is killed, and a real Alertmanager."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from seatrial.notifications.alarms import Alarm
from seatrial.notifications.alertmanager import PATH, Alertmanager
from seatrial.notifications.outbox import RECEIVER
from seatrial.notifications.posting import Post
from seatrial.store.deliveries import Position
from seatrial.store.ledger import EntryKind
from seatrial.store.store import Store
from tests.receivers import Receiver, receiving
from tests.servers import find_program
from tests.waiting import free_port, until

SECRET = "a secret of sixteen bytes"


@contextlib.contextmanager
def control_plane(project: Path, **receivers: str) -> Iterator[subprocess.Popen[bytes]]:
    """`seatrial control` after it has said where it listens; killed without warning at the end."""
    settings = {"PORT": "0", "LEASE_S": "1", "DATA_PLANE_URL": "http://127.0.0.1:9", **receivers}
    environment = {f"SEATRIAL_CONTROL__{key}": value for key, value in settings.items()}
    process = subprocess.Popen(
        [sys.executable, "-m", "seatrial.cli", "control", "--project", str(project), "--json"],
        env={**os.environ, **environment, "SEATRIAL_WEBHOOK_SECRET": SECRET},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"{\n", "it did not start"
        yield process
    finally:
        process.kill()
        process.communicate()


def roll_back(store: Store) -> None:
    """What a controller puts on record when it rolls a release back."""
    payload = {"action": "roll_back", "release": "m-2-a", "phase": "rolled_back", "step": 0, "reason": "Harm."}
    store.append(EntryKind.DECISION, "m", 2, payload, "controller")


@pytest.mark.slow
def test_what_was_committed_before_a_kill_is_told_by_the_next_control_plane(tmp_path: Path) -> None:
    busy = Receiver(answers=[503] * 1000)
    with Store.open(f"sqlite:///{tmp_path / '.seatrial' / 'seatrial.db'}") as store, receiving(busy) as receiver:
        with control_plane(tmp_path, WEBHOOK_URL=receiver.url) as process:
            until(lambda: store.deliveries.read(RECEIVER) is not None, process)
            roll_back(store)
        # Killed with the decision on record; whether it was tried before that, it was not taken.
        waiting = store.deliveries.read(RECEIVER)
        assert waiting is not None
        assert waiting.seq == 0
        receiver.answers.clear()
        with control_plane(tmp_path, WEBHOOK_URL=receiver.url) as process:
            receiver.wait_for(1)
            until(lambda: store.deliveries.read(RECEIVER) == Position(1), process)
    (message,) = receiver.documents
    assert (message["type"], message["data"]["sentence"]) == ("release.rolled_back", "Harm.")
    assert len(set(receiver.ids)) == 1


@pytest.fixture(scope="module")
def alertmanager_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real Alertmanager that notifies nobody."""
    program, home, port = find_program("prometheus-alertmanager"), tmp_path_factory.mktemp("am"), free_port()
    (home / "config.yml").write_text("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                program,
                f"--config.file={home / 'config.yml'}",
                f"--storage.path={home / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--cluster.listen-address=",
            ],
            stdout=log,
            stderr=log,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        until(lambda: is_ready(url), process)
        yield url
    finally:
        process.kill()
        process.wait()


def is_ready(url: str) -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/-/ready", timeout=5) as answer:
        return bool(answer.status == 200)
    return False


def active_alerts(url: str) -> list[dict[str, Any]]:
    with urllib.request.urlopen(f"{url}{PATH}?active=true", timeout=5) as answer:
        alerts: list[dict[str, Any]] = json.load(answer)
    return alerts


def test_a_real_alertmanager_takes_an_alarm_its_repetition_and_its_end(alertmanager_url: str) -> None:
    now_s = time.time()
    alarm = Alarm("SeatrialRolledBack", "m", "critical", "Härm: “it” fails.", "seatrial release status m", now_s - 5)
    other = Alarm("SeatrialForeignMove", "m", "warning", "Moved.", "seatrial models verify m", now_s - 5, now_s + 3600)
    alertmanager = Alertmanager(Post(alertmanager_url + PATH, 10.0), 60.0)
    alertmanager.send([alarm, other], now_s)
    alertmanager.send([alarm, other], now_s)
    alerts = {alert["labels"]["alertname"]: alert for alert in active_alerts(alertmanager_url)}
    assert set(alerts) == {"SeatrialRolledBack", "SeatrialForeignMove"}
    told = alerts["SeatrialRolledBack"]
    assert told["labels"] == {"alertname": "SeatrialRolledBack", "model": "m", "severity": "critical"}
    assert told["annotations"] == {"summary": "Härm: “it” fails.", "command": "seatrial release status m"}
    assert told["status"]["state"] in ("active", "unprocessed")
    ended = Alarm(*alarm.identity, alarm.sentence, alarm.command, alarm.since_s, now_s - 1)
    alertmanager.send([ended, other], now_s)
    alertmanager.close()
    assert [alert["labels"]["alertname"] for alert in active_alerts(alertmanager_url)] == ["SeatrialForeignMove"]


def test_a_control_plane_tells_a_real_alertmanager_of_a_rollback(tmp_path: Path, alertmanager_url: str) -> None:
    with Store.open(f"sqlite:///{tmp_path / '.seatrial' / 'seatrial.db'}") as store:
        roll_back(store)

    def told() -> list[str]:
        alerts = [alert for alert in active_alerts(alertmanager_url) if alert["labels"]["severity"] == "warning"]
        return [alert["annotations"]["summary"] for alert in alerts]

    with control_plane(tmp_path, ALERTMANAGER_URL=alertmanager_url) as process:
        until(lambda: "Harm." in told(), process)
