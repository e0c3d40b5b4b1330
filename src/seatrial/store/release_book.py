"""Everything durable about releases: each change and what the ledger says of it commit together."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Connection

from seatrial.domain.errors import LedgerConflictError, UnknownReleaseError
from seatrial.domain.evidence import Finding
from seatrial.domain.model import Alias
from seatrial.domain.release import Decision, ReleaseCounters, ReleaseState
from seatrial.store import aliases as intents
from seatrial.store.database import Database
from seatrial.store.entries import append_drafts
from seatrial.store.experiments import refuse_second
from seatrial.store.lease import Lease, grant, held, refuse_lower, yield_up
from seatrial.store.ledger import EntryDraft, EntryKind, LedgerEntry
from seatrial.store.releases import (
    ReleaseChange,
    ReleaseRecord,
    changed,
    count_old_looks,
    delete_old_looks,
    insert_release,
    note_acts,
    read_acts,
    read_looks,
    read_releases,
    refuse_stale,
    update_release,
)

__all__ = ["ReleaseBook"]


class ReleaseBook:
    """The releases of a store; safe to use from many threads and processes at once.

    Args:
        announce: told of every ledger entry once it is durable.
    """

    def __init__(
        self, database: Database, clock: Callable[[], datetime], announce: Callable[[list[LedgerEntry]], None]
    ) -> None:
        self._database = database
        self._clock = clock
        self._announce = announce

    def begin(self, record: ReleaseRecord, decision: Decision, acts: tuple[Finding, ...], actor: str) -> ReleaseRecord:
        """Writes a release that begins, and the decision to begin it.

        Raises:
            LedgerConflictError: one or an experiment of the model is under way, or another version is in production.
        """
        state = record.state
        with self._database.write() as connection:
            running = read_releases(connection, active_model=state.model)
            if running:
                raise LedgerConflictError(
                    f"Release {running[0].state.release} of {state.model} is under way: wait for its end, or roll it "
                    "back first."
                )
            refuse_second(connection, state.model)
            production = {intent.alias: intent.version for intent in intents.read_intents(connection, state.model)}
            if production.get(Alias.PRODUCTION) != state.champion:
                raise LedgerConflictError(
                    f"{state.model}@{state.champion} is not in production any more: look again and start anew."
                )
            at = self._clock()
            entries = append_drafts(connection, [*_acts(state, acts, actor), _decided(state, decision, actor)], at)
            insert_release(connection, record, entries[-1].seq, at)
            note_acts(connection, state.release, [entry.seq for entry in entries[:-1]])
        self._announce(entries)
        return record

    def save(
        self, record: ReleaseRecord, change: ReleaseChange, *, actor: str, fence: int | None = None
    ) -> ReleaseRecord:
        """Writes a change of a release with its ledger entries and alias intents: all of it or nothing.

        Args:
            record: the release as it was read.
            fence: of the controller's lease; None for what a person does.

        Raises:
            LeaseLostError: another controller has taken over.
            LedgerConflictError: the release has been changed since it was read.
        """
        with self._database.write() as connection:
            if fence is not None:
                refuse_lower(connection, fence)
            refuse_stale(connection, record)
            at, after = self._clock(), changed(record, change)
            drafts = _acts(change.state, change.acts, actor)
            acts = len(drafts)
            if change.decision is not None:
                drafts.append(_move_or_decision(connection, change, change.decision, actor))
            entries = append_drafts(connection, drafts, at)
            note_acts(connection, change.state.release, [entry.seq for entry in entries[:acts]])
            for entry in entries:
                if entry.kind is EntryKind.ALIAS:
                    intents.save_intents(connection, entry)
            update_release(connection, after, at)
        self._announce(entries)
        return after

    def get(self, release: str) -> ReleaseRecord:
        """One release.

        Raises:
            UnknownReleaseError: there is none of that name.
        """
        with self._database.read() as connection:
            found = read_releases(connection, release=release)
        if not found:
            raise UnknownReleaseError(f"There is no release {release!r}: see seatrial release status.")
        return found[0]

    def of_model(self, model: str) -> list[ReleaseRecord]:
        """All releases of a model, in the order they began."""
        with self._database.read() as connection:
            return read_releases(connection, model=model)

    def latest(self) -> dict[str, ReleaseRecord]:
        """The latest release of each model."""
        with self._database.read() as connection:
            return {record.state.model: record for record in read_releases(connection)}

    def acts(self, release: str) -> list[Finding]:
        """What people did about a release, in order."""
        with self._database.read() as connection:
            return read_acts(connection, release)

    def looks(self, release: str) -> list[tuple[ReleaseState, ReleaseCounters]]:
        """State and counters after every look that changed something: enough to decide all of it again."""
        with self._database.read() as connection:
            return read_looks(connection, release)

    def old_looks(self, before: datetime) -> tuple[int, int]:
        """How many looks at ended releases are older than a moment, and their size in characters; not the last ones."""
        with self._database.read() as connection:
            return count_old_looks(connection, before)

    def forget_looks(self, before: datetime) -> None:
        """Deletes the looks that `old_looks` counts; the end of each release stays."""
        with self._database.write() as connection:
            delete_old_looks(connection, before)

    def lease(self, holder: str, now_s: float, ttl_s: float) -> Lease | None:
        """Takes the controller's lease or prolongs one's own; None where somebody else has it."""
        with self._database.write() as connection:
            return grant(connection, holder, now_s, ttl_s)

    def held_lease(self, now_s: float, ttl_s: float) -> Lease | None:
        """The controller's lease, where somebody has it."""
        with self._database.read() as connection:
            return held(connection, now_s, ttl_s)

    def yield_lease(self, holder: str) -> None:
        """Ends one's own lease, so that the next controller need not wait for it to run out."""
        with self._database.write() as connection:
            yield_up(connection, holder)


def _acts(state: ReleaseState, acts: tuple[Finding, ...], actor: str) -> list[EntryDraft]:
    return [EntryDraft(EntryKind.FINDING, state.model, state.challenger, act.to_json(), actor) for act in acts]


def _decided(state: ReleaseState, decision: Decision, actor: str) -> EntryDraft:
    payload = {**decision.to_json(), "release": state.release, "phase": state.phase.value, "step": state.step}
    return EntryDraft(EntryKind.DECISION, state.model, state.challenger, payload, actor)


def _move_or_decision(connection: Connection, change: ReleaseChange, decision: Decision, actor: str) -> EntryDraft:
    """The entry of a decision: one that moves aliases, where it does."""
    state, decided = change.state, _decided(change.state, decision, actor)
    wanted = intents.checked_moves(change.moves)
    moves = intents.changes(connection, state.model, wanted)
    if not moves:
        return decided
    version = intents.main_version(wanted) or state.challenger
    artifacts = intents.artifact_digests(connection, state.model, version)
    payload = {**decided.payload, "moves": moves, "artifacts": artifacts}
    return EntryDraft(EntryKind.ALIAS, state.model, version, payload, actor)
