"""Pushing alarms: new ones and ended ones at once, the others at each interval; nothing is kept but the ledger."""

from __future__ import annotations

import logging
from collections.abc import Callable

from seatrial.domain.errors import DependencyError
from seatrial.notifications.alarms import Alarm, AlarmBoard
from seatrial.notifications.alertmanager import Alertmanager
from seatrial.notifications.outbox import POLL_S, pause_s
from seatrial.store.store import Store

__all__ = ["AlarmPusher"]

_log = logging.getLogger(__name__)


class AlarmPusher:
    """Tells Alertmanager what the record says is wrong.

    Args:
        clock: seconds since the epoch.
    """

    def __init__(
        self, store: Store, alertmanager: Alertmanager, stuck_hold_s: float, clock: Callable[[], float]
    ) -> None:
        self._store = store
        self._alertmanager = alertmanager
        self._board = AlarmBoard(stuck_hold_s)
        self._clock = clock
        self._seen_seq = 0
        self._told: list[Alarm] = []
        self._told_s = 0.0
        self._failures = 0

    def turn(self, may_send: Callable[[], bool]) -> float:
        """Reads what is new and tells what is due; returns how long to wait before the next turn."""
        for entry in self._store.entries(after=self._seen_seq):
            self._board.see(entry)
            self._seen_seq = entry.seq
        now_s = self._clock()
        alarms = self._board.at(now_s)
        due = not 0 <= now_s - self._told_s < self._alertmanager.interval_s  # a clock that went back: at once
        if (alarms != self._told or due) and may_send():
            return self._tell(alarms, now_s)
        return POLL_S

    def _tell(self, alarms: list[Alarm], now_s: float) -> float:
        try:
            if alarms:
                self._alertmanager.send(alarms, now_s)
        except DependencyError as error:
            self._failures += 1
            wait_s = min(pause_s(self._failures), self._alertmanager.interval_s)
            if self._failures == 1:
                _log.warning("alarms not delivered", extra={"reason": str(error)})
            return wait_s
        if self._failures:
            _log.info("alarms are taken again", extra={"receiver": self._alertmanager.shown})
        self._told, self._told_s, self._failures = alarms, now_s, 0
        return POLL_S
