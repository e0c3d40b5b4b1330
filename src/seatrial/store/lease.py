"""The lease that admits one active controller, and the fencing number that shuts out one that lost it.

Who holds the lease says nothing when a process was asleep or a clock jumped; the fence does. It rises whenever the
lease changes hands, and both the store and the data plane refuse what comes with a lower one.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, insert, select, update

from seatrial.domain.errors import LeaseLostError
from seatrial.store.tables import leases

__all__ = ["Lease", "grant", "held", "refuse_lower", "yield_up"]

_NAME = "controller"


@dataclass(frozen=True, slots=True)
class Lease:
    """Who may act, until when.

    Attributes:
        holder: name of the process.
        fence: how often the lease has changed hands.
        until_s: seconds since the epoch.
    """

    holder: str
    fence: int
    until_s: float

    def is_free(self, now_s: float, ttl_s: float) -> bool:
        """Whether somebody else may take it: it has run out, or was granted by a clock that has gone back since.

        Example:
            >>> lease = Lease("a", 1, until_s=130.0)
            >>> lease.is_free(120.0, 30.0), lease.is_free(130.0, 30.0), lease.is_free(50.0, 30.0)
            (False, True, True)
        """
        return now_s >= self.until_s or now_s < self.until_s - 2 * ttl_s


def grant(connection: Connection, holder: str, now_s: float, ttl_s: float) -> Lease | None:
    """Takes the lease or prolongs one's own; None where somebody else has it."""
    row = connection.execute(select(leases).where(leases.c.name == _NAME)).first()
    if row is None:
        granted = Lease(holder, 1, now_s + ttl_s)
        connection.execute(
            insert(leases).values(name=_NAME, holder=holder, fence=granted.fence, until_s=granted.until_s)
        )
        return granted
    held = Lease(row.holder, row.fence, row.until_s)
    if held.holder != holder and not held.is_free(now_s, ttl_s):
        return None
    # One's own lease that has run out may have been used by nobody, but whoever slept that long begins afresh.
    fence = held.fence + (held.holder != holder or held.is_free(now_s, ttl_s))
    granted = Lease(holder, fence, now_s + ttl_s)
    connection.execute(
        update(leases).where(leases.c.name == _NAME).values(holder=holder, fence=fence, until_s=granted.until_s)
    )
    return granted


def held(connection: Connection, now_s: float, ttl_s: float) -> Lease | None:
    """The lease, where somebody has it."""
    row = connection.execute(select(leases).where(leases.c.name == _NAME)).first()
    lease = Lease(row.holder, row.fence, row.until_s) if row else None
    return lease if lease and not lease.is_free(now_s, ttl_s) else None


def yield_up(connection: Connection, holder: str) -> None:
    """Ends one's own lease, so that the next need not wait for it to run out."""
    connection.execute(update(leases).where(leases.c.name == _NAME, leases.c.holder == holder).values(until_s=0.0))


def refuse_lower(connection: Connection, fence: int) -> None:
    """Raises LeaseLostError where the lease has changed hands since that fence."""
    current = connection.execute(select(leases.c.fence).where(leases.c.name == _NAME)).scalar()
    if current != fence:
        raise LeaseLostError(f"Another controller has taken over (fence {current}, ours was {fence}): it goes on.")
