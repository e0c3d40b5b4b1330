"""Alertmanager: what is wrong is told again and again while it holds, and its end with the time of it.

Source: Prometheus documentation, "Alerts API" (``POST /api/v2/alerts``) and "Sending alerts".
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from seatrial.notifications.alarms import Alarm
from seatrial.notifications.posting import Post

__all__ = ["PATH", "Alertmanager", "alert_of"]

PATH = "/api/v2/alerts"
_INTERVALS = 4
"""An alarm that has not been told again for so many intervals ends by itself: whoever told it has gone."""


def alert_of(alarm: Alarm, ends_s: float) -> dict[str, Any]:
    """An alarm as Alertmanager takes it.

    Args:
        ends_s: when it ends, if it is not told again.

    Example:
        >>> alarm = Alarm("SeatrialRolledBack", "m", "critical", "Harm.", "seatrial release status m", 0.0)
        >>> alert_of(alarm, 60.0)["labels"], alert_of(alarm, 60.0)["endsAt"]
        ({'alertname': 'SeatrialRolledBack', 'model': 'm', 'severity': 'critical'}, '1970-01-01T00:01:00+00:00')
    """
    return {
        "labels": {"alertname": alarm.name, "model": alarm.model, "severity": alarm.severity},
        "annotations": {"summary": alarm.sentence, "command": alarm.command},
        "startsAt": _moment(alarm.since_s),
        "endsAt": _moment(max(ends_s, alarm.since_s)),
    }


class Alertmanager:
    """One Alertmanager.

    Args:
        interval_s: how often alarms that stand are told again.
    """

    def __init__(self, post: Post, interval_s: float) -> None:
        self._post = post
        self.interval_s = interval_s

    @property
    def shown(self) -> str:
        """The address without what may be secret."""
        return self._post.shown

    def send(self, alarms: Sequence[Alarm], now_s: float) -> None:
        """Tells alarms.

        Raises:
            NotTakenError: the answer is not of the 2xx.
            UnreachableError: there is no answer.
        """
        stands_s = now_s + _INTERVALS * self.interval_s
        alerts = [alert_of(one, stands_s if one.until_s is None else one.until_s) for one in alarms]
        self._post.send(json.dumps(alerts, ensure_ascii=False).encode(), {})

    def close(self) -> None:
        """Closes the connection."""
        self._post.close()


def _moment(moment_s: float) -> str:
    return datetime.fromtimestamp(moment_s, UTC).isoformat()
