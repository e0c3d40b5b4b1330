"""The store is the truth; registry and index follow; foreign moves are noticed."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.domain.evidence import Verdict
from seatrial.domain.model import Alias, Stage, VersionRef
from seatrial.domain.release import Action, Decision
from seatrial.flows import record
from seatrial.registry.memory_registry import MemoryRegistry
from seatrial.store.ledger import EntryKind
from seatrial.wiring.workshop import Workshop
from tests.houses import MODEL, enrol, evaluation, make_artifact, open_workshop


def _promote(workshop: Workshop, number: int) -> None:
    version = workshop.registry.get_version(MODEL, number)
    decision = Decision(Action.PROMOTE, version.ref, "A test promotes it.", (evaluation(version),))
    record.decided(workshop, version, decision)


def test_store_registry_and_index_agree_after_a_promotion(workshop: Workshop) -> None:
    version = enrol(workshop)
    assert workshop.store.aliases(MODEL) == {Alias.CANDIDATE: 1}
    make_artifact(workshop, version)
    _promote(workshop, 1)
    assert workshop.store.aliases(MODEL) == {Alias.PRODUCTION: 1}
    assert workshop.registry.aliases(MODEL) == {Alias.PRODUCTION: 1}
    assert workshop.registry.stages(MODEL)[1] is Stage.PRODUCTION
    assert workshop.index.aliases(MODEL) == {"production": 1}
    assert workshop.store.pending(MODEL) == []
    assert workshop.index.resolve(VersionRef.parse(f"{MODEL}@production"), "onnx-fp32").manifest.version == 1


def test_a_version_whose_findings_fail_is_not_nominated(workshop: Workshop) -> None:
    enrol(workshop, verdict=Verdict.FAIL)
    assert workshop.store.aliases(MODEL) == {}


def test_a_released_version_is_not_made_candidate_again(workshop: Workshop) -> None:
    version = enrol(workshop)
    _promote(workshop, 1)
    record.nominate(workshop, version, [evaluation(version)])
    assert workshop.store.aliases(MODEL) == {Alias.PRODUCTION: 1}


def test_recording_twice_adds_nothing(workshop: Workshop) -> None:
    version = enrol(workshop)
    make_artifact(workshop, version)
    before = workshop.store.head()
    enrol(workshop)
    make_artifact(workshop, version)
    assert workshop.store.head() == before


def test_the_head_is_anchored_in_the_registry(workshop: Workshop) -> None:
    enrol(workshop)
    record.anchor(workshop, MODEL)
    assert workshop.registry.tags(MODEL)[record.HEAD_TAG] == workshop.store.head().to_text()


def test_a_crash_between_commit_and_followers_heals_at_the_next_flow(tmp_path: Path) -> None:
    registry = MemoryRegistry(tmp_path / "registry")
    first = open_workshop(tmp_path, registry)
    version = enrol(first)
    # The process dies right after the transaction: nothing followed.
    first.store.move_aliases(
        MODEL, {Alias.PRODUCTION: 1}, actor="test", reason="A test.", findings=[evaluation(version)]
    )
    first.close()
    assert registry.aliases(MODEL) == {Alias.CANDIDATE: 1}
    second = open_workshop(tmp_path, registry)
    assert record.reconcile(second, MODEL) == []
    assert registry.aliases(MODEL) == {Alias.CANDIDATE: 1, Alias.PRODUCTION: 1}
    assert second.index.aliases(MODEL) == {"candidate": 1, "production": 1}
    assert second.store.pending(MODEL) == []
    assert not [entry for entry in second.store.entries(MODEL) if entry.kind is EntryKind.FOREIGN]
    second.close()


@pytest.mark.parametrize("what", ["alias", "stage"])
def test_a_foreign_move_goes_on_record_and_is_taken_back(workshop: Workshop, what: str) -> None:
    enrol(workshop, 1.0)
    enrol(workshop, 0.5)
    _promote(workshop, 1)
    _move_behind_our_back(workshop, what)
    moves = record.reconcile(workshop, MODEL)
    assert {move.what for move in moves} >= {what}
    assert workshop.registry.aliases(MODEL) == workshop.store.aliases(MODEL)
    assert record.foreign_moves(workshop, MODEL) == []
    foreign = [entry for entry in workshop.store.entries(MODEL) if entry.kind is EntryKind.FOREIGN]
    assert foreign[0].payload["theirs"] == 2
    assert foreign[-1].payload["taken_back"] is True
    again = len(foreign)
    _move_behind_our_back(workshop, what)
    record.reconcile(workshop, MODEL)
    assert len([e for e in workshop.store.entries(MODEL) if e.kind is EntryKind.FOREIGN]) == 2 * again


def test_a_foreign_move_is_adopted_where_the_settings_say_so(tmp_path: Path) -> None:
    workshop = open_workshop(tmp_path, **{"registry.adopt_foreign_moves": True})
    enrol(workshop, 1.0)
    enrol(workshop, 0.5)
    _promote(workshop, 1)
    workshop.registry.set_alias(MODEL, Alias.PRODUCTION, 2)
    record.reconcile(workshop, MODEL)
    assert workshop.store.aliases(MODEL)[Alias.PRODUCTION] == 2
    assert workshop.index.aliases(MODEL)["production"] == 2
    assert "Adopted" in list(workshop.store.entries(MODEL))[-1].payload["reason"]
    workshop.close()


def test_a_held_decision_moves_nothing_and_is_recorded_once(workshop: Workshop) -> None:
    version = enrol(workshop)
    decision = Decision(Action.HOLD, version.ref, "Not released: a test says no.", ())
    record.decided(workshop, version, decision)
    record.decided(workshop, version, decision)
    entries = [entry for entry in workshop.store.entries(MODEL) if entry.kind is EntryKind.DECISION]
    assert len(entries) == 1
    assert Alias.PRODUCTION not in workshop.store.aliases(MODEL)


def _move_behind_our_back(workshop: Workshop, what: str) -> None:
    registry = workshop.registry
    assert isinstance(registry, MemoryRegistry)
    if what == "alias":
        registry.set_alias(MODEL, Alias.PRODUCTION, 2)
    else:
        registry._models[MODEL].stages[2] = Stage.PRODUCTION  # as a script of somebody's would
