"""Releases as they are kept: plan, state, counters of every look, and what people did about them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, func, insert, select, update

from seatrial.domain.errors import LedgerConflictError, LedgerTamperedError, ReleasePlanError
from seatrial.domain.evidence import Finding
from seatrial.domain.release import (
    Decision,
    FrozenBaseline,
    Phase,
    ReleaseCounters,
    ReleasePlan,
    ReleaseState,
    WatchedRelease,
)
from seatrial.domain.release_reports import Report, total_counters
from seatrial.store.aliases import Moves
from seatrial.store.canonical import canonical_json
from seatrial.store.entries import read_entries
from seatrial.store.findings import finding_of
from seatrial.store.ledger import moment_text
from seatrial.store.tables import ledger, release_acts, release_looks, releases

__all__ = [
    "ReleaseChange",
    "ReleaseRecord",
    "changed",
    "count_old_looks",
    "delete_old_looks",
    "insert_release",
    "note_acts",
    "read_acts",
    "read_looks",
    "read_releases",
    "refuse_stale",
    "told_by",
    "update_release",
]


@dataclass(frozen=True, slots=True)
class ReleaseRecord:
    """A release as it stands.

    Attributes:
        state: where it stands.
        plan: what it should do.
        baseline: what was frozen when it began.
        mirror_percent: share of the champion's requests that are mirrored.
        reports: what is known of each data plane that counts for it.
        told: what the latest decision on record said, so that the same is not recorded at every look.
        revision: how often it was changed.
    """

    state: ReleaseState
    plan: ReleasePlan
    baseline: FrozenBaseline
    mirror_percent: float = 0.0
    reports: Mapping[str, Report] = field(default_factory=dict)
    told: str = ""
    revision: int = 0

    @property
    def counters(self) -> ReleaseCounters:
        """What was counted everywhere together."""
        return total_counters(self.reports)

    @property
    def watched(self) -> WatchedRelease | None:
        """What is to be counted now; None once it is over."""
        state = self.state
        if state.phase.over:
            return None
        return WatchedRelease(
            state.release, state.champion, state.challenger, state.step, state.phase is Phase.BAKING, self.baseline,
            self.mirror_percent,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class ReleaseChange:
    """What one look, or one act of a person, makes of a release.

    Attributes:
        state: where it stands from now on.
        reports: as in `ReleaseRecord`.
        decision: goes on record with its findings; None: nothing new was decided.
        moves: aliases that move with it.
        acts: what people did; each goes on record as a finding and is seen by every later look.
    """

    state: ReleaseState
    reports: Mapping[str, Report]
    decision: Decision | None = None
    moves: Moves = field(default_factory=dict)
    acts: tuple[Finding, ...] = ()


def told_by(decision: Decision) -> str:
    """What makes a decision news: its action, and the verdict of each finding; the figures change at every look.

    Example:
        >>> from seatrial.domain.evidence import Verdict
        >>> from seatrial.domain.release import Action
        >>> finding = Finding("release.step", "m@2", Verdict.PASS, "Passed.")
        >>> told_by(Decision(Action.HOLD, "m@2", "Waits.", (finding,)))
        'hold release.step=pass'
    """
    return " ".join([decision.action.value, *[f"{one.check}={one.verdict.word}" for one in decision.findings]])


def read_releases(connection: Connection, **wanted: object) -> list[ReleaseRecord]:
    """The releases whose columns have those values, in the order they began."""
    query = select(releases).filter_by(**wanted).order_by(releases.c.begun_seq)
    return [_record_of(row) for row in connection.execute(query)]


def insert_release(connection: Connection, record: ReleaseRecord, begun_seq: int, at: datetime) -> None:
    """Writes a release that begins."""
    state = record.state
    connection.execute(
        insert(releases).values(
            release=state.release,
            model=state.model,
            active_model=state.model,
            begun_seq=begun_seq,
            plan=canonical_json(record.plan.to_json()),
            baseline=canonical_json(record.baseline.to_json()),
            mirror_percent=record.mirror_percent,
            **_changing(record),
        )
    )
    _note_look(connection, record, at)


def update_release(connection: Connection, record: ReleaseRecord, at: datetime) -> None:
    """Writes what has changed, and keeps it as a look."""
    active = None if record.state.phase.over else record.state.model
    connection.execute(
        update(releases)
        .where(releases.c.release == record.state.release)
        .values(active_model=active, **_changing(record))
    )
    _note_look(connection, record, at)


def refuse_stale(connection: Connection, record: ReleaseRecord) -> None:
    """Raises LedgerConflictError where the release has been changed since it was read."""
    query = select(releases.c.revision).where(releases.c.release == record.state.release)
    if connection.execute(query).scalar() != record.revision:
        raise LedgerConflictError(
            f"Release {record.state.release} was changed by somebody else meanwhile: look at it and try again."
        )


def note_acts(connection: Connection, release: str, seqs: Sequence[int]) -> None:
    """Binds ledger entries about acts of people to a release."""
    for seq in seqs:
        connection.execute(insert(release_acts).values(release=release, seq=seq))


def read_acts(connection: Connection, release: str) -> list[Finding]:
    """What people did about a release, in order."""
    query = (
        select(ledger)
        .join(release_acts, release_acts.c.seq == ledger.c.seq)
        .where(release_acts.c.release == release)
        .order_by(ledger.c.seq)
    )
    return [finding_of(entry) for entry in read_entries(connection, query)]


def read_looks(connection: Connection, release: str) -> list[tuple[ReleaseState, ReleaseCounters]]:
    """State and counters after every look that changed something: enough to decide all of it again."""
    query = select(release_looks).where(release_looks.c.release == release).order_by(release_looks.c.revision)
    return [
        (ReleaseState.from_json(json.loads(row.state)), total_counters(_reports_of(row.reports)))
        for row in connection.execute(query)
    ]


def count_old_looks(connection: Connection, before: datetime) -> tuple[int, int]:
    """How many looks `delete_old_looks` would delete, and their size in characters."""
    size = func.coalesce(func.sum(func.length(release_looks.c.state) + func.length(release_looks.c.reports)), 0)
    row = connection.execute(select(func.count(), size).select_from(release_looks).where(_is_old(before))).one()
    return int(row[0]), int(row[1])


def delete_old_looks(connection: Connection, before: datetime) -> None:
    """Deletes the looks at ended releases from before a moment, but for the last of each."""
    connection.execute(delete(release_looks).where(_is_old(before)))


def _is_old(before: datetime) -> ColumnElement[bool]:
    superseded = select(releases.c.release).where(
        releases.c.release == release_looks.c.release,
        releases.c.active_model.is_(None),
        releases.c.revision > release_looks.c.revision,
    )
    return and_(release_looks.c.at < moment_text(before), superseded.exists())


def _changing(record: ReleaseRecord) -> dict[str, Any]:
    return {
        "revision": record.revision,
        "state": canonical_json(record.state.to_json()),
        "reports": canonical_json({place: report.to_json() for place, report in record.reports.items()}),
        "told": record.told,
    }


def _note_look(connection: Connection, record: ReleaseRecord, at: datetime) -> None:
    values = {key: value for key, value in _changing(record).items() if key != "told"}
    connection.execute(insert(release_looks).values(release=record.state.release, at=moment_text(at), **values))


def _record_of(row: Row[Any]) -> ReleaseRecord:
    try:
        return ReleaseRecord(
            ReleaseState.from_json(json.loads(row.state)),
            ReleasePlan.from_json(json.loads(row.plan)),
            FrozenBaseline.from_json(json.loads(row.baseline)),
            row.mirror_percent,
            _reports_of(row.reports),
            row.told,
            row.revision,
        )
    except (ReleasePlanError, ValueError, KeyError, TypeError) as error:
        raise LedgerTamperedError(
            f"The store's release {row.release!r} is not as Seatrial wrote it ({error}): restore it from a backup."
        ) from error


def _reports_of(text: str) -> dict[str, Report]:
    return {place: Report.from_json(report) for place, report in json.loads(text).items()}


def changed(record: ReleaseRecord, change: ReleaseChange) -> ReleaseRecord:
    """The release after a change."""
    return replace(
        record,
        state=change.state,
        reports=change.reports,
        told=told_by(change.decision) if change.decision else record.told,
        revision=record.revision + 1,
    )
