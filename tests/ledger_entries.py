"""Entries of a ledger as releases write them, at moments that a test says."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from seatrial.domain.evidence import Finding, Verdict
from seatrial.domain.release import Action, Decision, Phase
from seatrial.store.ledger import GENESIS_SHA256, EntryDraft, EntryKind, LedgerEntry

__all__ = ["START_S", "decided", "entry_of", "finding", "foreign"]

START_S = 1_700_000_000.0


def finding(check: str, verdict: Verdict, **details: Any) -> Finding:
    """A finding about the new version."""
    return Finding(check, "m@2", verdict, f"{check} is {verdict.word}.", details=details)


def entry_of(kind: EntryKind, payload: dict[str, Any], after_s: float = 0.0, seq: int = 1) -> LedgerEntry:
    """An entry about model ``m`` so long after the start."""
    draft = EntryDraft(kind, "m", 2, payload, "ann")
    return draft.sealed(seq, datetime.fromtimestamp(START_S + after_s, UTC), GENESIS_SHA256)


def decided(
    action: Action, *findings: Finding, after_s: float = 0.0, phase: Phase = Phase.RUNNING, **place: Any
) -> LedgerEntry:
    """A decision about a release; `place` may name ``release``, ``step`` and ``moves``."""
    decision = Decision(action, "m@2", f"To {action.value}.", findings)
    payload = {**decision.to_json(), "release": "m-2-a", "phase": phase.value, "step": 0, **place}
    return entry_of(EntryKind.ALIAS if "moves" in place else EntryKind.DECISION, payload, after_s)


def foreign(after_s: float = 0.0, **settled: str) -> LedgerEntry:
    """Somebody moved ``production`` in the registry."""
    payload = {"what": "alias", "role": "production", "ours": 1, "theirs": 2, **settled}
    return entry_of(EntryKind.FOREIGN, payload, after_s)
