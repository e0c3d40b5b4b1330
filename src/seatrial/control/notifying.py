"""Telling receivers while the control plane runs: a thread for each, so that nobody waits for any of them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from seatrial.domain.errors import SeatrialError
from seatrial.notifications.outbox import Outbox
from seatrial.notifications.pushing import AlarmPusher
from seatrial.wiring.notifying import receivers
from seatrial.wiring.workshop import Workshop

__all__ = ["Notifier", "run_turns"]

Turn = Callable[[Callable[[], bool]], float]

_FAULT_PAUSE_S = 5.0
_LAST_ANSWER_S = 2.0
"""How long the end waits for an answer: what was not answered is told again."""
_log = logging.getLogger(__name__)


class Notifier:
    """Tells the receivers of a project what is on record, while the block lasts.

    Args:
        active: whether this control plane is the one that acts; only then is anything sent.

    Raises:
        ConfigError: the secret of the webhook is missing, or cannot be used.
    """

    def __init__(self, workshop: Workshop, active: Callable[[], bool]) -> None:
        self._active = active
        self._stop = threading.Event()
        self._receivers = receivers(workshop.settings)
        self._turns: list[tuple[str, Turn]] = []
        section = workshop.settings.control
        if self._receivers.webhook is not None:
            outbox = Outbox(workshop.store, self._receivers.webhook, section.webhook_events, time.time)
            outbox.begin()  # before the first look: what that one decides is told
            self._turns.append(("webhook", outbox.turn))
        if self._receivers.alertmanager is not None:
            pusher = AlarmPusher(workshop.store, self._receivers.alertmanager, section.stuck_hold_s, time.time)
            self._turns.append(("alertmanager", pusher.turn))
        # Daemons: a receiver that does not answer must not keep the process from ending.
        self._threads = [
            threading.Thread(target=run_turns, args=(turn, self._may_send, self._stop), name=name, daemon=True)
            for name, turn in self._turns
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        deadline_s = time.monotonic() + _LAST_ANSWER_S
        for thread in self._threads:
            thread.join(max(0.0, deadline_s - time.monotonic()))
        if not any(thread.is_alive() for thread in self._threads):
            self._receivers.close()

    def _may_send(self) -> bool:
        return self._active() and not self._stop.is_set()


def run_turns(turn: Turn, may_send: Callable[[], bool], stop: threading.Event) -> None:
    """Takes one turn after the other until `stop` is set; no fault ends it."""
    while not stop.is_set():
        try:
            wait_s = turn(may_send)
        except SeatrialError as error:  # a full disk, a database that is away: the record is read again later
            _log.warning("notifications wait", extra={"reason": str(error)})
            wait_s = _FAULT_PAUSE_S
        except Exception:  # noqa: BLE001  whatever it is, the next decision must still be told
            _log.exception("notifications failed")
            wait_s = _FAULT_PAUSE_S
        stop.wait(wait_s)
