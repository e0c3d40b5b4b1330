"""Which version has which alias, and which of those moves the followers have still to make."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select, update

from seatrial.domain.errors import LedgerTamperedError, UsageError
from seatrial.domain.model import Alias
from seatrial.store.entries import read_entries
from seatrial.store.ledger import EntryKind, LedgerEntry, check_version
from seatrial.store.tables import alias_intents, ledger

__all__ = [
    "AliasIntent",
    "Moves",
    "Place",
    "Role",
    "artifact_digests",
    "changes",
    "check_reason",
    "checked_moves",
    "main_version",
    "mark_applied",
    "moves_of",
    "read_intents",
    "read_roles",
    "save_intents",
]

Moves = Mapping[Alias, int | None]
"""Where each alias goes; None takes it away."""

Role = tuple[str, str]
"""(model, alias)."""
Place = tuple[int | None, int]
"""(version or None, seq of the ledger entry that decided it)."""

# Which move an entry is mainly about, when several aliases move at once.
_SENIORITY = (Alias.PRODUCTION, Alias.STAGING, Alias.CANDIDATE, Alias.PREVIOUS)


@dataclass(frozen=True, slots=True)
class AliasIntent:
    """Where an alias belongs.

    Attributes:
        version: None when the alias is to be removed.
        seq: the ledger entry that decided it.
        applied: whether the followers (registry, bundle index) have made the move.
    """

    model: str
    alias: Alias
    version: int | None
    seq: int
    applied: bool


def checked_moves(moves: Moves) -> dict[Alias, int | None]:
    """The moves, if their aliases exist and their versions can.

    Raises:
        UsageError: one does not or cannot.

    Example:
        >>> checked_moves({Alias.STAGING: 3})
        {<Alias.STAGING: 'staging'>: 3}
    """
    unknown = [str(alias) for alias in moves if alias not in tuple(Alias)]
    if unknown:
        raise UsageError(f"There is no alias {unknown[0]!r}: use one of {', '.join(Alias)}.")
    for version in moves.values():
        check_version(version)
    return {Alias(alias): version for alias, version in moves.items()}


def check_reason(reason: object) -> None:
    """Raises UsageError for what is no text, or empty."""
    if not isinstance(reason, str) or not reason.strip():
        raise UsageError("A move of aliases needs a reason: say in one sentence why.")


def main_version(moves: Moves) -> int | None:
    """The version that a set of moves is mainly about: whoever gets the most senior alias.

    Example:
        >>> main_version({Alias.PREVIOUS: 6, Alias.PRODUCTION: 7, Alias.CANDIDATE: None})
        7
    """
    return next((version for alias in _SENIORITY if (version := moves.get(alias)) is not None), None)


def moves_of(entry: LedgerEntry) -> dict[Alias, int | None]:
    """The moves an alias entry decided.

    Raises:
        LedgerTamperedError: the entry does not say.
    """
    try:
        return {Alias(alias): move["to"] for alias, move in entry.payload["moves"].items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise LedgerTamperedError(
            f"Entry {entry.seq} of the ledger is no alias move as Seatrial writes it: run seatrial models verify."
        ) from error


def read_intents(connection: Connection, model: str) -> Iterator[AliasIntent]:
    """The intents of a model, in the order they were decided.

    Raises:
        LedgerTamperedError: a row names an alias that does not exist.
    """
    query = select(alias_intents).where(alias_intents.c.model == model)
    for row in connection.execute(query.order_by(alias_intents.c.seq, alias_intents.c.alias)):
        if row.alias not in tuple(Alias):
            raise LedgerTamperedError(f"The store gives {row.model!r} an alias {row.alias!r}, which does not exist.")
        yield AliasIntent(row.model, Alias(row.alias), row.version, row.seq, row.applied)


def read_roles(connection: Connection) -> dict[Role, Place]:
    """Every row of the alias intents as it stands, damaged ones included."""
    return {(row.model, row.alias): (row.version, row.seq) for row in connection.execute(select(alias_intents))}


def changes(connection: Connection, model: str, moves: Moves) -> dict[str, dict[str, int | None]]:
    """What the moves would change, as the ledger records it: ``{alias: {"from": version, "to": version}}``."""
    current = {intent.alias: intent.version for intent in read_intents(connection, model)}
    return {
        alias.value: {"from": current.get(alias), "to": version}
        for alias, version in moves.items()
        if current.get(alias) != version
    }


def artifact_digests(connection: Connection, model: str, version: int | None) -> dict[str, str]:
    """The sha256 of each artifact of a version, as the ledger last recorded it."""
    if version is None:
        return {}
    query = (
        select(ledger)
        .where(ledger.c.model == model, ledger.c.version == version, ledger.c.kind == EntryKind.ARTIFACT.value)
        .order_by(ledger.c.seq)
    )
    return {entry.payload["artifact"]: entry.payload["sha256"] for entry in read_entries(connection, query)}


def save_intents(connection: Connection, entry: LedgerEntry) -> None:
    """Writes the intents an alias entry decided, in the entry's own transaction."""
    for alias, version in moves_of(entry).items():
        row = {"model": entry.model, "alias": alias.value}
        connection.execute(delete(alias_intents).filter_by(**row))
        connection.execute(insert(alias_intents).values(**row, version=version, seq=entry.seq, applied=False))


def mark_applied(connection: Connection, model: str, seq: int) -> None:
    """Notes that the followers have made every move of a model up to an entry; later ones stay pending."""
    connection.execute(
        update(alias_intents).where(alias_intents.c.model == model, alias_intents.c.seq <= seq).values(applied=True)
    )
