"""Trying the receivers of notifications, and seeing what waits for them and what is wrong."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from seatrial.domain.errors import DependencyError, UsageError
from seatrial.store.ledger import moment_text
from seatrial.wiring.notifying import Receivers, new_webhook_secret, receivers
from seatrial.wiring.workshop import Workshop

__all__ = ["alarms", "new_webhook_secret", "standing", "try_out"]

_SENTENCE = "Somebody tries the way to you: nothing has happened."
_COMMAND = "seatrial notifications status"
_TEST_ALARM_S = 60.0
_MOST_COUNTED = 1000


def try_out(workshop: Workshop) -> list[dict[str, Any]]:
    """Sends one test message to each receiver that the settings name, now and once; says how each of them took it.

    Raises:
        UsageError: none is named.
        ConfigError: the webhook has no secret, or one that cannot be used.
    """
    named = receivers(workshop.settings)
    try:
        return _tried(named, workshop.settings.model.name, time.time())
    finally:
        named.close()


def alarms(workshop: Workshop, now_s: float) -> list[dict[str, Any]]:
    """What is wrong now by the record, as Alertmanager is told, whether or not there is one."""
    from seatrial.notifications.alarms import AlarmBoard

    board = AlarmBoard(workshop.settings.control.stuck_hold_s)
    for entry in workshop.store.entries():
        board.see(entry)
    return [
        {
            "alarm": one.name,
            "model": one.model,
            "severity": one.severity,
            "since": _moment(one.since_s),
            "sentence": one.sentence,
            "command": one.command,
        }
        for one in board.at(now_s)
        if one.until_s is None or one.until_s > now_s
    ]


def standing(workshop: Workshop) -> dict[str, Any]:
    """How far the webhook is: position, how many messages wait, and since when and why they do.

    Returns:
        ``position`` is None where no control plane has run with a webhook yet; ``waiting`` stops counting at 1000.
    """
    from seatrial.notifications.notices import notice_of
    from seatrial.notifications.outbox import RECEIVER

    position = workshop.store.deliveries.read(RECEIVER)
    if position is None:
        return {"position": None, "waiting": 0, "failing_since": None, "fault": ""}
    waiting = 0
    for entry in workshop.store.entries(after=position.seq):
        notice = notice_of(entry)
        waiting += notice is not None and notice.event in workshop.settings.control.webhook_events
        if waiting == _MOST_COUNTED:
            break
    since_s = position.failing_since_s
    since = None if since_s is None else _moment(since_s)
    return {"position": position.seq, "waiting": waiting, "failing_since": since, "fault": position.fault}


def _tried(named: Receivers, model: str, now_s: float) -> list[dict[str, Any]]:
    from seatrial.notifications.alarms import Alarm
    from seatrial.notifications.notices import TEST_EVENT, Notice

    told: list[dict[str, Any]] = []
    if named.webhook is not None:
        webhook = named.webhook
        facts = {"model": model, "sentence": _SENTENCE, "command": _COMMAND}
        at = moment_text(datetime.fromtimestamp(now_s, UTC))
        notice = Notice(f"test-{secrets.token_hex(8)}", 0, TEST_EVENT, at, facts)
        told.append(_outcome("webhook", webhook.shown, lambda: webhook.send(notice, now_s)))
    if named.alertmanager is not None:
        alertmanager = named.alertmanager
        alarm = Alarm("SeatrialTest", model, "info", _SENTENCE, _COMMAND, now_s, now_s + _TEST_ALARM_S)
        told.append(_outcome("alertmanager", alertmanager.shown, lambda: alertmanager.send([alarm], now_s)))
    if not told:
        raise UsageError("Nobody is told anything: set control.webhook_url or control.alertmanager_url.")
    return told


def _outcome(receiver: str, shown: str, send: Callable[[], None]) -> dict[str, Any]:
    try:
        send()
    except DependencyError as error:
        return {"receiver": receiver, "url": shown, "taken": False, "fault": str(error)}
    return {"receiver": receiver, "url": shown, "taken": True, "fault": ""}


def _moment(moment_s: float) -> str:
    return datetime.fromtimestamp(moment_s, UTC).isoformat(timespec="seconds")
