"""Ledger entries and the rows they are kept in."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, insert, select

from seatrial.domain.errors import LedgerTamperedError, UsageError
from seatrial.store.canonical import canonical_json
from seatrial.store.chain import UnreadableEntry
from seatrial.store.ledger import (
    GENESIS_SHA256,
    EntryDraft,
    EntryKind,
    LedgerEntry,
    LedgerHead,
    moment_text,
)
from seatrial.store.tables import ledger

__all__ = ["append_drafts", "last_head", "latest_about", "read_entries", "read_rows"]

_PAGE_ROWS = 500


def append_drafts(connection: Connection, drafts: Sequence[EntryDraft], at: datetime) -> list[LedgerEntry]:
    """Writes the drafts at the end of the chain; the connection must be the only writer."""
    head = last_head(connection)
    entries: list[LedgerEntry] = []
    for seq, draft in enumerate(drafts, head.seq + 1):
        entries.append(draft.sealed(seq, at, entries[-1].sha256 if entries else head.sha256))
    if entries:
        connection.execute(insert(ledger), [_row_of(entry) for entry in entries])
    return entries


def last_head(connection: Connection) -> LedgerHead:
    """Place and digest of the last entry, unsigned."""
    row = connection.execute(select(ledger.c.seq, ledger.c.sha256).order_by(ledger.c.seq.desc()).limit(1)).first()
    return LedgerHead(row.seq, row.sha256) if row else LedgerHead(0, GENESIS_SHA256)


def latest_about(connection: Connection, draft: EntryDraft, key: str) -> LedgerEntry | None:
    """The latest entry of a draft's kind, model and version with the same ``payload[key]``; None where there is none.

    Raises:
        LedgerTamperedError: a row is no entry any more.
    """
    query = (
        select(ledger)
        .where(ledger.c.model == draft.model, ledger.c.kind == draft.kind.value)
        .where(ledger.c.version.is_not_distinct_from(draft.version))
        .order_by(ledger.c.seq)
    )
    latest = None
    for entry in read_entries(connection, query):
        if entry.payload.get(key) == draft.payload.get(key):
            latest = entry
    return latest


def read_entries(connection: Connection, query: Select[Any]) -> Iterator[LedgerEntry]:
    """The entries of a query over the ledger's columns.

    Raises:
        LedgerTamperedError: a row is no entry any more.
    """
    for entry in read_rows(connection, query):
        if isinstance(entry, UnreadableEntry):
            raise LedgerTamperedError(
                f"Entry {entry.seq} of the ledger cannot be read: {entry.reason} Run seatrial models verify."
            )
        yield entry


def read_rows(connection: Connection, query: Select[Any]) -> Iterator[LedgerEntry | UnreadableEntry]:
    """The entries of a query over the ledger's columns, damaged ones included, in constant memory."""
    with connection.execute(query, execution_options={"yield_per": _PAGE_ROWS}) as rows:
        for row in rows:
            try:
                yield _entry_of(row)
            except (ValueError, TypeError, UsageError, RecursionError) as error:
                yield UnreadableEntry(row.seq, f"{error}".rstrip(".") + ".")


def _row_of(entry: LedgerEntry) -> dict[str, Any]:
    return {**entry.to_json(), "payload": canonical_json(entry.payload)}


def _entry_of(row: Row[Any]) -> LedgerEntry:
    """The entry a row holds; strict, so that not even the writing of a field can change unseen."""
    entry = LedgerEntry(
        seq=row.seq,
        at=datetime.fromisoformat(row.at),
        actor=row.actor,
        kind=EntryKind(row.kind),
        model=row.model,
        version=row.version,
        payload=json.loads(row.payload),
        previous_sha256=row.previous_sha256,
        sha256=row.sha256,
    )
    EntryDraft(entry.kind, entry.model, entry.version, entry.payload, entry.actor)
    if moment_text(entry.at) != row.at or canonical_json(entry.payload) != row.payload:
        raise ValueError("a field is not in the form it was written in.")
    return entry
