"""What the store promises of releases: a change and its entries together, one at a time, one controller."""

from __future__ import annotations

from dataclasses import replace

import pytest

from seatrial.domain.errors import (
    LeaseLostError,
    LedgerConflictError,
    LedgerTamperedError,
    StorageFullError,
    UnknownReleaseError,
    UsageError,
)
from seatrial.domain.evidence import Finding, Verdict
from seatrial.domain.model import Alias
from seatrial.domain.release import Action, ArmCounters, Decision, Phase, ReleaseCounters, Report, StepCounters
from seatrial.store.ledger import EntryKind
from seatrial.store.releases import ReleaseChange, ReleaseRecord
from seatrial.store.store import Store
from tests.ledgers import execute, move, words
from tests.releases import BASELINE, release_record

FOUND = Finding("release.step", "m@2", Verdict.PASS, "Passed.", 1.0, 20.0, 400)
REPORTS = {"local": Report("p-1", "t-1", ReleaseCounters((StepCounters(ArmCounters(90), ArmCounters(10)),)))}


def decision(action: Action, *findings: Finding) -> Decision:
    return Decision(action, "m@2", f"A test says {action}.", findings or (FOUND,))


def begun(store: Store, release: str = "r-1") -> ReleaseRecord:
    if not store.aliases("m"):
        move(store, {Alias.PRODUCTION: 1, Alias.CANDIDATE: 2})
    return store.releases.begin(release_record(release), decision(Action.ADVANCE), (), "ann")


def test_a_release_comes_back_as_it_was_written(store: Store) -> None:
    record = begun(store)
    assert store.releases.get("r-1") == record
    assert store.releases.latest() == {"m": record}
    assert record.watched is not None
    assert record.watched.baseline == BASELINE
    entry = list(store.entries("m", kind=EntryKind.DECISION))[-1]
    assert (entry.payload["release"], entry.payload["action"]) == ("r-1", "advance")
    with pytest.raises(UnknownReleaseError, match="no release 'r-2'"):
        store.releases.get("r-2")


def test_state_counters_entry_and_aliases_are_one_change(store: Store) -> None:
    record = begun(store)
    after = replace(record.state, phase=Phase.BAKING)
    moves = {Alias.PRODUCTION: 2, Alias.PREVIOUS: 1, Alias.CANDIDATE: None}
    change = ReleaseChange(after, REPORTS, decision(Action.PROMOTE), moves)
    saved = store.releases.save(record, change, actor="controller")

    assert store.releases.get("r-1") == saved
    assert saved.counters.steps[0].requests == 100
    assert store.aliases("m") == {Alias.PRODUCTION: 2, Alias.PREVIOUS: 1}
    assert len(store.pending("m")) == 3
    version, entry = store.production_at("m", list(store.entries("m"))[-1].at)
    assert version == 2
    assert entry is not None
    assert entry.payload["findings"] == [FOUND.to_json()]
    assert words(store.verify([store.head()])) == {"chain": "pass", "anchor": "pass", "intents": "pass"}
    assert [state.phase for state, _ in store.releases.looks("r-1")] == [Phase.RUNNING, Phase.BAKING]


def test_what_cannot_be_recorded_changes_nothing(store: Store) -> None:
    record = begun(store)
    head = store.head()
    impossible = Finding("release.step", "m@2", Verdict.PASS, "Passed.", details={"set": {1}})
    change = ReleaseChange(replace(record.state, step=1), REPORTS, decision(Action.ADVANCE, impossible))
    with pytest.raises(UsageError):
        store.releases.save(record, change, actor="controller")
    assert store.releases.get("r-1") == record
    assert store.head() == head


def test_a_disk_that_is_full_at_the_last_write_undoes_all_of_it(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    record = begun(store)
    head, aliases = store.head(), store.aliases("m")

    def full(*_: object) -> None:
        raise StorageFullError("No room.")

    monkeypatch.setattr("seatrial.store.release_book.update_release", full)
    change = ReleaseChange(record.state, REPORTS, decision(Action.PROMOTE), {Alias.PRODUCTION: 2})
    with pytest.raises(StorageFullError):
        store.releases.save(record, change, actor="controller")
    assert store.releases.get("r-1") == record
    assert (store.head(), store.aliases("m")) == (head, aliases)


def test_a_second_release_of_the_model_is_refused_until_the_first_is_over(store: Store) -> None:
    record = begun(store)
    with pytest.raises(LedgerConflictError, match="r-1 of m is under way"):
        begun(store, "r-2")
    over = replace(record.state, phase=Phase.ROLLED_BACK)
    store.releases.save(record, ReleaseChange(over, {}, decision(Action.ROLL_BACK)), actor="ann")
    assert begun(store, "r-2").state.release == "r-2"
    assert [one.state.release for one in store.releases.of_model("m")] == ["r-1", "r-2"]


def test_a_release_over_a_version_that_is_not_in_production_is_refused(store: Store) -> None:
    move(store, {Alias.PRODUCTION: 3})
    with pytest.raises(LedgerConflictError, match="m@1 is not in production any more"):
        begun(store)
    assert store.releases.of_model("m") == []


def test_who_read_before_somebody_else_wrote_is_refused(store: Store) -> None:
    record = begun(store)
    change = ReleaseChange(replace(record.state, phase=Phase.PAUSED), {}, decision(Action.HOLD))
    store.releases.save(record, change, actor="ann")
    head = store.head()
    with pytest.raises(LedgerConflictError, match="changed by somebody else"):
        store.releases.save(record, ReleaseChange(record.state, REPORTS), actor="controller")
    assert store.head() == head


def test_acts_of_people_are_findings_on_record_and_stay_with_the_release(store: Store) -> None:
    record = begun(store)
    approval = Finding("human.approval", "m@2", Verdict.PASS, "bob: fine.", details={"step": 0, "name": "bob"})
    change = ReleaseChange(record.state, {}, decision(Action.HOLD, approval), acts=(approval,))
    store.releases.save(record, change, actor="bob")
    assert store.releases.acts("r-1") == [approval]
    assert approval in store.findings("m", 2)
    assert [entry.actor for entry in store.entries("m", kind=EntryKind.FINDING)] == ["bob"]


def test_one_controller_has_the_lease_and_the_fence_rises_with_each_change(store: Store) -> None:
    book = store.releases
    first = book.lease("a", 1000.0, 30.0)
    assert first is not None
    assert book.lease("b", 1010.0, 30.0) is None
    again = book.lease("a", 1020.0, 30.0)
    assert again is not None
    assert (first.fence, again.fence) == (1, 1)
    taken = book.lease("b", 1051.0, 30.0)
    assert taken is not None
    assert taken.fence == 2
    book.yield_lease("a")  # not its own any more
    assert book.lease("a", 1052.0, 30.0) is None
    book.yield_lease("b")
    back = book.lease("a", 1053.0, 30.0)
    assert back is not None
    assert back.fence == 3


def test_a_lease_from_the_future_binds_nobody(store: Store) -> None:
    assert store.releases.lease("a", 1e6, 30.0) is not None
    taken = store.releases.lease("b", 1000.0, 30.0)
    assert taken is not None
    assert taken.fence == 2


def test_who_has_lost_the_lease_writes_nothing(store: Store) -> None:
    record = begun(store)
    store.releases.lease("a", 1000.0, 30.0)
    store.releases.lease("b", 1031.0, 30.0)
    change = ReleaseChange(replace(record.state, step=1), REPORTS, decision(Action.ADVANCE))
    with pytest.raises(LeaseLostError, match="taken over"):
        store.releases.save(record, change, actor="controller", fence=1)
    assert store.releases.get("r-1") == record
    assert store.releases.save(record, change, actor="controller", fence=2).state.step == 1


def test_a_row_that_somebody_edited_is_told(store: Store, url: str) -> None:
    begun(store)
    execute(url, "UPDATE releases SET plan = '{}'")
    with pytest.raises(LedgerTamperedError, match="'r-1' is not as Seatrial wrote it"):
        store.releases.get("r-1")
