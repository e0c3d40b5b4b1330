"""The store: one object through which everything durable is written and read."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from sqlalchemy import select

from seatrial.domain.errors import ConfigError, UsageError
from seatrial.domain.evidence import Finding
from seatrial.domain.model import Alias
from seatrial.store import aliases as intents
from seatrial.store.aliases import AliasIntent, Moves
from seatrial.store.database import Database
from seatrial.store.deliveries import DeliveryBook
from seatrial.store.entries import append_drafts, last_head, latest_about, read_entries, read_rows
from seatrial.store.experiment_book import ExperimentBook
from seatrial.store.findings import claim_of, finding_drafts, finding_of, latest_findings
from seatrial.store.ledger import EntryDraft, EntryKind, LedgerEntry, LedgerHead, moment_text
from seatrial.store.portable import PortableStore
from seatrial.store.release_book import ReleaseBook
from seatrial.store.tables import ledger
from seatrial.store.verification import verify_ledger

__all__ = ["MIN_KEY_BYTES", "Store"]

MIN_KEY_BYTES = 16
"""Shorter signing keys can be guessed."""
_PAGE_ENTRIES = 500
_OWN_METHOD = {EntryKind.FINDING: "record_findings", EntryKind.ALIAS: "move_aliases"}
_log = logging.getLogger(__name__)


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Store:
    """The ledger, alias intents, releases and experiments of one database; safe for many threads and processes at once.

    Every method that writes returns after the write is durable, and raises what `Store.open` lists when it is not;
    then nothing of it was recorded. (A server that is lost during the commit itself leaves that open: see `head`.)
    Each entry is logged in one INFO line with its digest, so that the log too knows what the chain was.
    """

    def __init__(self, database: Database, signing_key: bytes | None, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._signing_key = signing_key
        self._clock = clock
        self.releases = ReleaseBook(database, clock, _announce)
        self.experiments = ExperimentBook(database, clock, _announce)
        self.deliveries = DeliveryBook(database)
        self.portable = PortableStore(database, signing_key)

    @classmethod
    def open(cls, url: str, *, signing_key: bytes | None = None, clock: Callable[[], datetime] = _utc_now) -> Store:
        """Opens the store of a database, which is made or brought up to date where needed.

        Args:
            url: ``sqlite:///FILE`` or ``postgresql://USER:PASSWORD@HOST/NAME``.
            signing_key: signs the heads; at least `MIN_KEY_BYTES` bytes.
            clock: tells the time of new entries, with a time zone.

        Raises:
            ConfigError: the URL or the key cannot be used.
            UnreachableError: the server does not answer, or somebody holds the database for too long.
            StorageFullError: there is no room for it.
            LedgerError: the file is damaged, or written by a newer release.
        """
        if signing_key is not None and len(signing_key) < MIN_KEY_BYTES:
            raise ConfigError(f"A signing key of {len(signing_key)} bytes is too short: use {MIN_KEY_BYTES} or more.")
        return cls(Database.open(url), signing_key, clock)

    def close(self) -> None:
        """Closes all connections."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def append(
        self, kind: EntryKind, model: str, version: int | None, payload: Mapping[str, Any], actor: str
    ) -> LedgerEntry:
        """Records one fact.

        Raises:
            UsageError: the kind, model name, version, actor or payload is impossible; nothing was recorded.
        """
        return self.append_all([EntryDraft(kind, model, version, payload, actor)])[0]

    def append_all(self, drafts: Sequence[EntryDraft]) -> list[LedgerEntry]:
        """Records several facts, all or none.

        Raises:
            UsageError: a draft is of a kind that has a method of its own here; nothing was recorded.
        """
        for draft in drafts:
            _refuse_own_method(draft)
        with self._database.write() as connection:
            entries = append_drafts(connection, drafts, self._clock())
        _announce(entries)
        return entries

    def append_once(self, draft: EntryDraft, key: str) -> LedgerEntry | None:
        """Records one fact, unless it is on record already.

        Args:
            key: what the fact is about: it is old where the latest entry of its kind, model and version with the same
                ``payload[key]`` has the same payload.

        Returns:
            The new entry, None where there is none.

        Raises:
            UsageError: the draft is of a kind that has a method of its own here; nothing was recorded.
        """
        _refuse_own_method(draft)
        with self._database.write() as connection:
            known = latest_about(connection, draft, key)
            if known is not None and known.payload == draft.payload:
                return None
            entries = append_drafts(connection, [draft], self._clock())
        _announce(entries)
        return entries[0]

    def record_findings(
        self, model: str, version: int | None, findings: Sequence[Finding], actor: str
    ) -> list[LedgerEntry]:
        """Records findings, one entry each; a finding that is already the latest of its kind is not recorded again.

        Returns:
            The entries, new or existing, in the order of the findings.

        Raises:
            UsageError: two of the findings make the same claim about the same subject, or one cannot be recorded.
        """
        drafts = finding_drafts(model, version, findings, actor)
        with self._database.write() as connection:
            recorded = latest_findings(connection, model, version)
            news = [d for claim, d in drafts.items() if claim not in recorded or recorded[claim].payload != d.payload]
            entries = append_drafts(connection, news, self._clock())
        _announce(entries)
        recorded |= {claim_of(entry): entry for entry in entries}
        return [recorded[claim] for claim in drafts]

    def findings(self, model: str, version: int | None) -> list[Finding]:
        """The latest finding of each check about each subject of a version."""
        with self._database.read() as connection:
            return [finding_of(entry) for entry in latest_findings(connection, model, version).values()]

    def move_aliases(
        self, model: str, moves: Moves, *, actor: str, reason: str, findings: Sequence[Finding] = ()
    ) -> LedgerEntry | None:
        """Decides where aliases belong: the intents and the ledger entry that justifies them, both or neither.

        The entry also cites the digests on record of the artifacts of the version it is mainly about.

        Args:
            moves: the new version of each alias; None takes it away.
            reason: one sentence for people.
            findings: what justifies the moves.

        Returns:
            The entry, or None when all aliases are there already.

        Raises:
            UsageError: an alias, version or actor is impossible, or the reason is empty.
        """
        wanted = intents.checked_moves(moves)
        intents.check_reason(reason)
        version = intents.main_version(wanted)
        with self._database.write() as connection:
            changes = intents.changes(connection, model, wanted)
            if not changes:
                return None
            payload = {
                "moves": changes,
                "reason": reason,
                "findings": [finding.to_json() for finding in findings],
                "artifacts": intents.artifact_digests(connection, model, version),
            }
            draft = EntryDraft(EntryKind.ALIAS, model, version, payload, actor)
            entry = append_drafts(connection, [draft], self._clock())[0]
            intents.save_intents(connection, entry)
        _announce([entry])
        return entry

    def aliases(self, model: str) -> dict[Alias, int]:
        """The version of each alias of a model: the truth."""
        with self._database.read() as connection:
            decided = list(intents.read_intents(connection, model))
        return {intent.alias: intent.version for intent in decided if intent.version is not None}

    def pending(self, model: str) -> list[AliasIntent]:
        """The moves of a model that its followers have still to make, in the order they were decided."""
        with self._database.read() as connection:
            return [intent for intent in intents.read_intents(connection, model) if not intent.applied]

    def mark_applied(self, model: str, seq: int) -> None:
        """Notes that the followers have made every move of a model up to an entry; later ones stay pending."""
        with self._database.write() as connection:
            intents.mark_applied(connection, model, seq)

    def entries(
        self, model: str | None = None, after: int = 0, *, kind: EntryKind | None = None, version: int | None = None
    ) -> Iterator[LedgerEntry]:
        """The entries of a model, or all, with a seq above `after`, oldest first, in constant memory.

        Args:
            kind: of this kind only.
            version: about this version only.

        Raises:
            LedgerTamperedError: a row is no entry any more.
        """
        while True:
            query = select(ledger).where(ledger.c.seq > after).order_by(ledger.c.seq).limit(_PAGE_ENTRIES)
            wanted = {"model": model, "kind": kind and kind.value, "version": version}
            query = query.filter_by(**{column: value for column, value in wanted.items() if value is not None})
            with self._database.read() as connection:  # a page a transaction: a slow reader holds nothing up
                page = list(read_entries(connection, query))
            yield from page
            if len(page) < _PAGE_ENTRIES:
                return
            after = page[-1].seq

    def production_at(self, model: str, moment: datetime) -> tuple[int | None, LedgerEntry | None]:
        """Which version was in production at a moment, and the entry that put it there (or took it away).

        Raises:
            UsageError: the moment has no time zone.
        """
        moment_text(moment)
        query = (
            select(ledger).where(ledger.c.model == model, ledger.c.kind == EntryKind.ALIAS.value).order_by(ledger.c.seq)
        )
        version, decisive = None, None
        with self._database.read() as connection:
            for entry in read_entries(connection, query):
                moves = intents.moves_of(entry)
                if entry.at <= moment and Alias.PRODUCTION in moves:
                    version, decisive = moves[Alias.PRODUCTION], entry
        return version, decisive

    def head(self) -> LedgerHead:
        """The last entry's place and digest, signed where there is a key; seq 0 for an empty ledger."""
        with self._database.read() as connection:
            head = last_head(connection)
        return head.signed(self._signing_key) if self._signing_key else head

    def verify(self, anchors: Sequence[LedgerHead] = ()) -> list[Finding]:
        """Recomputes the chain and compares it with heads noted elsewhere and with the alias intents.

        Args:
            anchors: heads from registry tags, logs or wherever else they were noted.

        Returns:
            Findings ``ledger.chain``, ``ledger.anchor``, ``ledger.intents``, and ``ledger.signature`` where there is a
            key or a signed head. Without a single anchor ``ledger.anchor`` is inconclusive.
        """
        with self._database.read() as connection:
            roles = intents.read_roles(connection)
            rows = read_rows(connection, select(ledger).order_by(ledger.c.seq))
            return verify_ledger(rows, roles, anchors, self._signing_key)


def _refuse_own_method(draft: EntryDraft) -> None:
    if draft.kind in _OWN_METHOD:
        raise UsageError(f"An entry of kind {draft.kind} is written by {_OWN_METHOD[draft.kind]} only: use that.")


def _announce(entries: Sequence[LedgerEntry]) -> None:
    for entry in entries:
        fields = {"seq": entry.seq, "sha256": entry.sha256, "kind": entry.kind.value}
        _log.info("ledger entry appended", extra=fields)
