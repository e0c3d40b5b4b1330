"""Up to which entry of the ledger a receiver has been told: the one thing that is kept about a delivery.

What is still to be sent follows from it, so nothing that was committed can be forgotten between commit and sending, and
no second record of the same facts has to be kept in step.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, insert, select, update

from seatrial.store.database import Database
from seatrial.store.tables import deliveries

__all__ = ["DeliveryBook", "Position"]

_FAULT_CHARS = 500


@dataclass(frozen=True, slots=True)
class Position:
    """How far a receiver is.

    Attributes:
        seq: the last entry that it has been told of, or that it need not be told of.
        failing_since_s: when the first attempt at the next one failed, seconds since the epoch; None: none has.
        fault: why the last attempt failed.
    """

    seq: int
    failing_since_s: float | None = None
    fault: str = ""


class DeliveryBook:
    """The positions of a store's receivers; safe to use from many threads and processes at once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read(self, receiver: str) -> Position | None:
        """How far a receiver is; None where it has never begun."""
        with self._database.read() as connection:
            return _read(connection, receiver)

    def begin(self, receiver: str, seq: int) -> Position:
        """Begins after an entry, unless the receiver has begun before: then it goes on where it was."""
        with self._database.write() as connection:
            known = _read(connection, receiver)
            if known is not None:
                return known
            connection.execute(insert(deliveries).values(receiver=receiver, seq=seq, failing_since_s=None, fault=""))
            return Position(seq)

    def move(self, receiver: str, before: Position, after: Position) -> bool:
        """Notes a new position, unless somebody else has moved it meanwhile; whether it was noted."""
        with self._database.write() as connection:
            moved = connection.execute(
                update(deliveries)
                .where(deliveries.c.receiver == receiver, deliveries.c.seq == before.seq)
                .values(seq=after.seq, failing_since_s=after.failing_since_s, fault=after.fault[:_FAULT_CHARS])
            )
            return moved.rowcount == 1


def _read(connection: Connection, receiver: str) -> Position | None:
    row = connection.execute(select(deliveries).where(deliveries.c.receiver == receiver)).first()
    return None if row is None else Position(row.seq, row.failing_since_s, row.fault)
