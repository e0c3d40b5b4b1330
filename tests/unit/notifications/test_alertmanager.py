"""Alarms as Alertmanager takes them; `tests/integration` asks a real one."""

from __future__ import annotations

from seatrial.notifications.alarms import Alarm
from seatrial.notifications.alertmanager import Alertmanager
from seatrial.notifications.posting import Post
from tests.receivers import receiving

ALARM = Alarm("SeatrialRolledBack", "m", "critical", "Harm.", "seatrial release status m", 1_700_000_000.0)


def test_what_stands_ends_by_itself_and_what_has_ended_says_when() -> None:
    ended = Alarm("SeatrialSampleRatio", "m", "critical", "No.", "x", 1_700_000_000.0, 1_700_000_010.0)
    with receiving() as receiver:
        alertmanager = Alertmanager(Post(receiver.url, 10.0), 60.0)
        alertmanager.send([ALARM, ended], 1_700_000_030.0)
        alertmanager.close()
    ((standing, over),) = receiver.documents
    assert standing == {
        "labels": {"alertname": "SeatrialRolledBack", "model": "m", "severity": "critical"},
        "annotations": {"summary": "Harm.", "command": "seatrial release status m"},
        "startsAt": "2023-11-14T22:13:20+00:00",
        "endsAt": "2023-11-14T22:17:50+00:00",
    }
    assert over["endsAt"] == "2023-11-14T22:13:30+00:00"
    assert alertmanager.shown.endswith("/***")
