"""Findings on record: one entry each, and of each claim the latest counts."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select

from seatrial.domain.errors import LedgerTamperedError, UsageError
from seatrial.domain.evidence import Finding
from seatrial.store.entries import read_entries
from seatrial.store.ledger import EntryDraft, EntryKind, LedgerEntry
from seatrial.store.tables import ledger

__all__ = ["Claim", "claim_of", "finding_drafts", "finding_of", "latest_findings"]

Claim = tuple[str, str]
"""(check, subject)."""


def finding_drafts(model: str, version: int | None, findings: Sequence[Finding], actor: str) -> dict[Claim, EntryDraft]:
    """The entries to write for findings about a version, by claim.

    Raises:
        UsageError: two of them make the same claim, so that one would hide the other, or one cannot be recorded.
    """
    drafts: dict[Claim, EntryDraft] = {}
    for finding in findings:
        claim = finding.check, finding.subject
        if claim in drafts:
            raise UsageError(f"Two findings claim {claim[0]} about {claim[1]}: give each its own check or subject.")
        drafts[claim] = EntryDraft(EntryKind.FINDING, model, version, finding.to_json(), actor)
    return drafts


def latest_findings(connection: Connection, model: str, version: int | None) -> dict[Claim, LedgerEntry]:
    """The latest entry of each claim about a version."""
    query = (
        select(ledger)
        .where(ledger.c.model == model, ledger.c.kind == EntryKind.FINDING.value)
        .where(ledger.c.version.is_not_distinct_from(version))
        .order_by(ledger.c.seq)
    )
    return {claim_of(entry): entry for entry in read_entries(connection, query)}


def claim_of(entry: LedgerEntry) -> Claim:
    """What a finding's entry claims.

    Raises:
        LedgerTamperedError: the entry holds no finding.
    """
    finding = finding_of(entry)
    return finding.check, finding.subject


def finding_of(entry: LedgerEntry) -> Finding:
    """The finding an entry records.

    Raises:
        LedgerTamperedError: the entry holds no finding.
    """
    try:
        return Finding.from_json(entry.payload)
    except (ValueError, AttributeError) as error:
        raise LedgerTamperedError(
            f"Entry {entry.seq} of the ledger is no finding as Seatrial writes it: run seatrial models verify."
        ) from error
