"""The outbox of the webhook: everything that is on record after a stored position, told in order, at least once.

The position moves only after the receiver has taken a message. A process that ends in between tells it again, under
the same id; one that ends between a commit and the first attempt has lost nothing, since the ledger has the entry.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from dataclasses import replace

from seatrial.domain.errors import DependencyError, NotTakenError
from seatrial.notifications.notices import Notice, notice_of
from seatrial.notifications.webhook import Webhook
from seatrial.store.deliveries import Position
from seatrial.store.ledger import EntryKind, LedgerEntry
from seatrial.store.store import Store

__all__ = ["POLL_S", "RECEIVER", "Outbox", "pause_s"]

RECEIVER = "webhook"
"""Name of the position."""
POLL_S = 1.0
"""How often the record is asked for something new: one small query."""
_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 300.0
_REFUSALS = frozenset({400, 413, 422})
"""What a receiver answers to a message that it will never take, however often it comes."""
_REFUSED_FOR_S = 3600.0
_log = logging.getLogger(__name__)


def pause_s(failures: int) -> float:
    """How long to wait after so many failures in a row.

    Example:
        >>> [pause_s(failures) for failures in (1, 2, 3, 20)]
        [1.0, 2.0, 4.0, 300.0]
    """
    return min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** min(failures - 1, 30))


class Outbox:
    """Tells the webhook what is on record.

    Args:
        events: which events are told; the others are passed over.
        clock: seconds since the epoch.
    """

    def __init__(self, store: Store, webhook: Webhook, events: Collection[str], clock: Callable[[], float]) -> None:
        self._store = store
        self._webhook = webhook
        self._events = frozenset(events)
        self._clock = clock
        self._failures = 0
        self._refused_since_s: float | None = None

    def begin(self) -> Position:
        """Begins with what comes after the present head, or goes on where an earlier process was."""
        return self._store.deliveries.begin(RECEIVER, self._store.head().seq)

    def turn(self, may_send: Callable[[], bool]) -> float:
        """Tells everything that is new, until something fails; returns how long to wait before the next turn.

        Args:
            may_send: asked before each message; no message is sent once it says no.
        """
        position = told = self._store.deliveries.read(RECEIVER) or self.begin()
        for entry in self._store.entries(after=position.seq):
            notice = self._notice(entry)
            if notice is not None:
                if not may_send():
                    break
                fault = self._tried(notice)
                if fault is not None and not self._given_up(entry, fault):
                    return self._failed(position, told, fault)
                if not self._move(position, Position(entry.seq)):
                    return POLL_S  # another process was faster, and goes on from there
                position = Position(entry.seq)
            told = Position(entry.seq)
        if told.seq > position.seq:
            self._move(position, told)
        return POLL_S

    def _notice(self, entry: LedgerEntry) -> Notice | None:
        notice = notice_of(entry)
        return notice if notice is not None and notice.event in self._events else None

    def _tried(self, notice: Notice) -> DependencyError | None:
        """Sends a message; why it failed, None where it did not."""
        try:
            self._webhook.send(notice, self._clock())
        except DependencyError as error:
            return error
        if self._failures:
            _log.info("webhook takes messages again", extra={"receiver": self._webhook.shown})
        self._failures, self._refused_since_s = 0, None
        return None

    def _given_up(self, entry: LedgerEntry, fault: DependencyError) -> bool:
        """Whether a message was refused for so long that the next one is tried; that goes on record."""
        now_s = self._clock()
        if not isinstance(fault, NotTakenError) or fault.status not in _REFUSALS:
            self._refused_since_s = None
            return False
        if self._refused_since_s is None:
            self._refused_since_s = now_s
        if now_s - self._refused_since_s < _REFUSED_FOR_S:
            return False
        payload = {"notification": "given up", "receiver": RECEIVER, "entry": entry.seq, "reason": str(fault)}
        self._store.append(EntryKind.NOTE, entry.model, entry.version, payload, "notifications")
        _log.error("notification given up", extra={"entry": entry.seq, "reason": str(fault)})
        self._failures, self._refused_since_s = 0, None
        return True

    def _failed(self, position: Position, told: Position, fault: DependencyError) -> float:
        """Notes a failure where `seatrial notifications status` reads it; returns how long to wait."""
        self._failures += 1
        since_s = self._clock() if position.failing_since_s is None else position.failing_since_s
        wait_s = pause_s(self._failures)
        if isinstance(fault, NotTakenError):
            wait_s = max(wait_s, fault.again_in_s)
        after = replace(told, failing_since_s=since_s, fault=str(fault))
        if after != position:
            _log.warning("notification not delivered", extra={"reason": str(fault), "again_in_s": wait_s})
            self._move(position, after)
        return wait_s

    def _move(self, before: Position, after: Position) -> bool:
        return self._store.deliveries.move(RECEIVER, before, after)
