"""The chain that binds the ledger's entries, and where it does not hold: pure rules, no database.

Each entry carries the sha256 of the entry before it, so that changing, removing or moving any entry breaks the chain
there. A chain that was made anew as a whole is consistent in itself: only a head noted elsewhere shows it.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass

from seatrial.store.ledger import GENESIS_SHA256, LedgerEntry, chain_sha256

__all__ = ["Break", "BreakKind", "UnreadableEntry", "check_chain"]


@dataclass(frozen=True, slots=True)
class UnreadableEntry:
    """A row of the ledger that is no entry any more."""

    seq: int
    reason: str


class BreakKind(enum.StrEnum):
    """How a place in the chain fails.

    EDITED: a field is not the one that was digested. MISSING: entries are gone. ORDER: an entry stands after a later
    one. UNLINKED: it does not follow the one before it. UNREADABLE: its row is no entry any more.
    """

    EDITED = "edited"
    MISSING = "missing"
    ORDER = "order"
    UNLINKED = "unlinked"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Break:
    """A place where the chain does not hold: the entry's seq, how, and one sentence for people."""

    seq: int
    kind: BreakKind
    reason: str


def check_chain(entries: Iterable[LedgerEntry | UnreadableEntry]) -> list[Break]:
    """Every place where a ledger that is read from its first entry on does not hold.

    A chain that was cut at its end, or made anew as a whole, holds: compare it with a head noted elsewhere.

    Example:
        >>> import dataclasses
        >>> from datetime import UTC, datetime
        >>> from seatrial.store.ledger import EntryDraft, EntryKind
        >>> draft = EntryDraft(EntryKind.NOTE, "m", None, {}, "ann")
        >>> first = draft.sealed(1, datetime(2026, 3, 3, tzinfo=UTC), GENESIS_SHA256)
        >>> check_chain([first])
        []
        >>> [b.kind.value for b in check_chain([dataclasses.replace(first, actor="bob")])]
        ['edited']
    """
    breaks: list[Break] = []
    expected_seq, previous_sha256 = 1, GENESIS_SHA256
    for entry in entries:
        breaks += _breaks_at(entry, expected_seq, previous_sha256)
        expected_seq = entry.seq + 1
        previous_sha256 = entry.sha256 if isinstance(entry, LedgerEntry) else ""
    return breaks


def _breaks_at(entry: LedgerEntry | UnreadableEntry, expected_seq: int, previous_sha256: str) -> list[Break]:
    """`previous_sha256` is empty where the entry before cannot be read, so that its damage is told once."""
    breaks = []
    seq = entry.seq
    if seq > expected_seq:
        span = f"entry {expected_seq} is" if seq == expected_seq + 1 else f"entries {expected_seq} to {seq - 1} are"
        breaks.append(Break(expected_seq, BreakKind.MISSING, f"{span.capitalize()} missing."))
    if seq < expected_seq:
        breaks.append(Break(seq, BreakKind.ORDER, f"Entry {seq} stands after entry {expected_seq - 1}."))
    if isinstance(entry, UnreadableEntry):
        return [*breaks, Break(seq, BreakKind.UNREADABLE, f"Entry {seq} cannot be read: {entry.reason}")]
    if not breaks and previous_sha256 and entry.previous_sha256 != previous_sha256:
        breaks.append(Break(seq, BreakKind.UNLINKED, f"Entry {seq} does not follow the entry before it."))
    if chain_sha256(entry.to_json()) != entry.sha256:
        breaks.append(Break(seq, BreakKind.EDITED, f"Entry {seq} was edited: its digest is not that of its fields."))
    return breaks
