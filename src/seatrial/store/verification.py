"""Whether the record is still what was written: four claims, each its own finding."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from seatrial.domain.errors import LedgerTamperedError
from seatrial.domain.evidence import Finding, Verdict
from seatrial.domain.model import Alias
from seatrial.store.aliases import Place, Role, moves_of
from seatrial.store.chain import UnreadableEntry, check_chain
from seatrial.store.ledger import (
    GENESIS_SHA256,
    EntryKind,
    LedgerEntry,
    LedgerHead,
)

__all__ = ["SUBJECT", "verify_ledger"]

SUBJECT = "ledger"
_SHOWN = 20


@dataclass(slots=True)
class _Walk:
    """What is kept of the entries while they pass by, so that a long ledger needs no memory."""

    wanted_seqs: frozenset[int]
    entries: int = 0
    last_seq: int = 0
    sha256_at: dict[int, str] = field(default_factory=lambda: {0: GENESIS_SHA256})
    roles: dict[Role, Place] = field(default_factory=dict)

    def watch(self, entries: Iterable[LedgerEntry | UnreadableEntry]) -> Iterator[LedgerEntry | UnreadableEntry]:
        """Passes the entries on."""
        for entry in entries:
            self.entries += 1
            self.last_seq = max(self.last_seq, entry.seq)
            if isinstance(entry, LedgerEntry):
                self._keep(entry)
            yield entry

    def _keep(self, entry: LedgerEntry) -> None:
        if entry.seq in self.wanted_seqs:
            self.sha256_at[entry.seq] = entry.sha256
        if entry.kind is EntryKind.ALIAS:
            for alias, version in _moves(entry).items():
                self.roles[entry.model, alias.value] = version, entry.seq


def verify_ledger(
    entries: Iterable[LedgerEntry | UnreadableEntry],
    intents: Mapping[Role, Place],
    anchors: Sequence[LedgerHead],
    signing_key: bytes | None,
) -> list[Finding]:
    """Holds the ledger against itself, against heads noted elsewhere and against the alias intents.

    Args:
        entries: all of them, from the first on; read once.
        intents: all rows of the alias intents.
        anchors: heads that were noted where the ledger's owner cannot rewrite them.
        signing_key: what heads are signed with, None where they are not.

    Returns:
        ``ledger.chain``, ``ledger.anchor``, ``ledger.intents``, and ``ledger.signature`` where anything is signed.
    """
    walk = _Walk(frozenset(anchor.seq for anchor in anchors))
    breaks = check_chain(walk.watch(entries))
    findings = [
        _finding(
            "ledger.chain",
            [broken.reason for broken in breaks],
            f"The chain of {walk.entries} entries is unbroken." if walk.entries else "The ledger is empty.",
            walk.entries,
        ),
        _finding(
            "ledger.anchor",
            [fault for anchor in anchors if (fault := _anchor_fault(anchor, walk))],
            _anchored(anchors, walk),
            len(anchors),
        ),
        _finding(
            "ledger.intents",
            _intent_faults(intents, walk),
            f"The alias intents ({len(walk.roles)}) are as the ledger decided them.",
            walk.entries,
        ),
    ]
    if signing_key is not None or any(anchor.signature for anchor in anchors):
        findings.append(_signature_finding(anchors, signing_key))
    return findings


def _finding(check: str, faults: Sequence[str], otherwise: str, samples: int) -> Finding:
    """FAIL when there are faults; else PASS, if anything was there to look at."""
    if not faults:
        verdict = Verdict.PASS if samples else Verdict.INCONCLUSIVE
        return Finding(check, SUBJECT, verdict, otherwise, 0, 0, samples)
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    details: dict[str, Any] = {"faults": list(faults[:_SHOWN])}
    return Finding(check, SUBJECT, Verdict.FAIL, f"{faults[0]}{more}", len(faults), 0, samples, details)


def _anchor_fault(anchor: LedgerHead, walk: _Walk) -> str | None:
    if anchor.seq > walk.last_seq:
        return (
            f"A head noted elsewhere is at entry {anchor.seq}, the ledger ends at {walk.last_seq}: its end was cut off."
        )
    if anchor.seq not in walk.sha256_at:
        return f"Entry {anchor.seq}, whose digest was noted elsewhere, is not in the ledger any more."
    if anchor.sha256 != walk.sha256_at[anchor.seq]:
        return f"Entry {anchor.seq} is not the one whose digest was noted elsewhere: the ledger was rewritten."
    return None


def _anchored(anchors: Sequence[LedgerHead], walk: _Walk) -> str:
    if not anchors:
        return "No noted head was given: a ledger cut short or rewritten whole would go unseen."
    newest = max(anchor.seq for anchor in anchors)
    return f"Heads noted elsewhere ({len(anchors)}) vouch for the ledger up to entry {newest} of {walk.last_seq}."


def _signature_finding(anchors: Sequence[LedgerHead], signing_key: bytes | None) -> Finding:
    signed = [anchor for anchor in anchors if anchor.signature]
    if signing_key is None:
        reason = f"Noted heads ({len(signed)}) are signed, but no key is set: set store.signing_key_file to check them."
        return Finding("ledger.signature", SUBJECT, Verdict.INCONCLUSIVE, reason, samples=0)
    forged = [
        f"The noted head of entry {anchor.seq} is not signed with our key: somebody else made it."
        for anchor in signed
        if not anchor.is_signed_by(signing_key)
    ]
    if len(signed) < len(anchors) and not forged:
        unsigned = len(anchors) - len(signed)
        reason = f"Not signed: {unsigned} of {len(anchors)} noted heads; anybody could have made them."
        return Finding("ledger.signature", SUBJECT, Verdict.INCONCLUSIVE, reason, samples=len(signed))
    return _finding(
        "ledger.signature",
        forged,
        f"All noted heads ({len(signed)}) are signed with our key.",
        len(signed),
    )


def _intent_faults(intents: Mapping[Role, Place], walk: _Walk) -> list[str]:
    faults = []
    for model, alias in sorted(walk.roles.keys() | intents.keys(), key=str):  # a damaged row may hold no text
        decided, stored = walk.roles.get((model, alias)), intents.get((model, alias))
        if decided != stored:
            faults.append(
                f"The store has {model}@{alias} at {_place(stored)}, the ledger's last word is {_place(decided)}."
            )
    return faults


def _place(role: Place | None) -> str:
    if role is None:
        return "nothing"
    version, seq = role
    return f"{'no version' if version is None else f'version {version}'} (entry {seq})"


def _moves(entry: LedgerEntry) -> dict[Alias, int | None]:
    try:
        return moves_of(entry)
    except LedgerTamperedError:
        return {}  # the intents then contradict it, or the chain tells of the edit
