"""Ledgers for tests, and what somebody who owns the database can do to one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from seatrial.domain.evidence import Finding, Verdict
from seatrial.domain.model import Alias
from seatrial.store.ledger import GENESIS_SHA256, EntryDraft, EntryKind, LedgerEntry
from seatrial.store.store import Store

NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)
KEY = b"a key of the auditors"
PASSED = Finding("evaluation.accuracy_floor", "m@1", Verdict.PASS, "0.91 is enough.", 0.91, 0.8, 1000)
FAILED = Finding("evaluation.accuracy_floor", "m@1", Verdict.FAIL, "0.71 is too low.", 0.71, 0.8, 1000)
PARITY = Finding("conversion.parity", "m@1/onnx-int8", Verdict.PASS, "No label changed.", 0, 0.02, 1000)
_TRIGGERS = {
    "sqlite": [f"DROP TRIGGER IF EXISTS ledger_refuses_{event}" for event in ("update", "delete", "replace")],
    "postgresql": [f"DROP TRIGGER IF EXISTS ledger_refuses_{event} ON ledger" for event in ("change", "truncate")],
}


def note(store: Store, number: int = 0) -> LedgerEntry:
    """One small entry."""
    return store.append(EntryKind.NOTE, "m", None, {"number": number}, "ann")


def move(store: Store, moves: dict[Alias, int | None]) -> LedgerEntry:
    """A move that changes something."""
    entry = store.move_aliases("m", moves, actor="ann", reason="All findings pass.", findings=[PASSED])
    assert entry is not None
    return entry


def words(findings: Sequence[Finding]) -> dict[str, str]:
    """The verdict of each check of the ledger."""
    return {finding.check.removeprefix("ledger."): finding.verdict.word for finding in findings}


def execute(url: str, *statements: str) -> None:
    """Runs SQL in one transaction, past the store."""
    engine = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    try:
        with engine.begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)
    finally:
        engine.dispose()


def tamper(url: str, *statements: str) -> None:
    """What an owner can do: take the triggers away, then write."""
    execute(url, *_TRIGGERS[sa.make_url(url).get_backend_name()], *statements)


def rewrite_whole(url: str, entries: Sequence[LedgerEntry], payload: dict[str, Any]) -> None:
    """Gives the first entry another payload and seals the whole chain anew, as somebody with our code could."""
    previous, statements = GENESIS_SHA256, []
    for entry in entries:
        facts = payload if entry.seq == 1 else entry.payload
        draft = EntryDraft(entry.kind, entry.model, entry.version, facts, entry.actor)
        forged = draft.sealed(entry.seq, entry.at, previous)
        text = json.dumps(forged.payload, sort_keys=True, separators=(",", ":"))
        statements.append(
            f"UPDATE ledger SET payload = '{text}', previous_sha256 = '{previous}', sha256 = '{forged.sha256}' "
            f"WHERE seq = {entry.seq}"
        )
        previous = forged.sha256
    tamper(url, *statements)
