"""The store is the truth; registry and index follow; foreign moves are noticed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from seatrial.domain.model import Alias, Stage
from seatrial.flows import followers
from seatrial.registry.memory_registry import MemoryRegistry
from seatrial.store.ledger import EntryKind
from seatrial.wiring.workshop import Workshop
from tests.houses import MODEL, enrol, evaluation, open_workshop, promote

ADOPT = {"registry.adopt_foreign_moves": True}


def _two_versions(workshop: Workshop) -> None:
    """Version 1 in production, version 2 candidate."""
    enrol(workshop, 1.0)
    enrol(workshop, 0.5)
    promote(workshop, 1)


def _move_behind_our_back(workshop: Workshop, what: str, version: int | None = 2) -> None:
    registry = workshop.registry
    assert isinstance(registry, MemoryRegistry)
    model = registry._models[MODEL]  # as a script of somebody's would, past Seatrial
    if what == "stage":
        model.stages = dict.fromkeys(model.stages, Stage.ARCHIVED)
        model.stages |= {version: Stage.PRODUCTION} if version else {}
    elif version:
        model.aliases[Alias.PRODUCTION] = version
    else:
        del model.aliases[Alias.PRODUCTION]


def _foreign(workshop: Workshop) -> list[Any]:
    return [entry.payload for entry in workshop.store.entries(MODEL, kind=EntryKind.FOREIGN)]


def test_the_head_is_anchored_in_the_registry(workshop: Workshop) -> None:
    enrol(workshop)
    followers.anchor(workshop, MODEL)
    assert workshop.registry.tags(MODEL)[followers.HEAD_TAG] == workshop.store.head().to_text()


def test_an_empty_ledger_anchors_nothing(workshop: Workshop) -> None:
    followers.anchor(workshop, MODEL)
    assert workshop.registry.list_models() == []


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
    assert followers.reconcile(second, MODEL) == []
    assert registry.aliases(MODEL) == {Alias.CANDIDATE: 1, Alias.PRODUCTION: 1}
    assert second.index.aliases(MODEL) == {"candidate": 1, "production": 1}
    assert second.store.pending(MODEL) == []
    assert _foreign(second) == []
    second.close()


def test_nothing_is_foreign_about_a_model_nobody_registered(workshop: Workshop) -> None:
    assert followers.reconcile(workshop, "nobody") == []
    assert workshop.store.head().seq == 0


@pytest.mark.parametrize("version", [2, None])
@pytest.mark.parametrize("what", ["alias", "stage"])
def test_a_foreign_move_goes_on_record_and_is_taken_back_each_time(
    workshop: Workshop, what: str, version: int | None
) -> None:
    _two_versions(workshop)
    for time in (1, 2):
        _move_behind_our_back(workshop, what, version)
        (move,) = followers.reconcile(workshop, MODEL)
        assert (move.what, move.ours, move.theirs) == (what, 1, version)
        assert workshop.registry.aliases(MODEL) == workshop.store.aliases(MODEL)
        assert workshop.registry.stages(MODEL)[1] is Stage.PRODUCTION
        assert followers.foreign_moves(workshop, MODEL) == []
        assert [payload.get("settled") for payload in _foreign(workshop)] == [None, "taken back"] * time
        assert followers.reconcile(workshop, MODEL) == []


def test_a_foreign_move_that_was_only_seen_is_on_record_once(workshop: Workshop) -> None:
    _two_versions(workshop)
    _move_behind_our_back(workshop, "alias")
    for _ in range(2):
        for move in followers.foreign_moves(workshop, MODEL):
            followers.note_foreign(workshop, MODEL, move)
    assert len(_foreign(workshop)) == 1


def test_a_move_taken_back_by_hand_is_settled_so_that_the_next_one_is_news(workshop: Workshop) -> None:
    _two_versions(workshop)
    for _ in range(2):
        _move_behind_our_back(workshop, "alias", 2)
        for move in followers.foreign_moves(workshop, MODEL):
            followers.note_foreign(workshop, MODEL, move)
        _move_behind_our_back(workshop, "alias", 1)
        followers.reconcile(workshop, MODEL)
    assert [payload.get("settled") for payload in _foreign(workshop)] == [None, "taken back"] * 2


@pytest.mark.parametrize("version", [2, None])
@pytest.mark.parametrize("what", ["alias", "stage"])
def test_a_foreign_move_is_adopted_where_the_settings_say_so(tmp_path: Path, what: str, version: int | None) -> None:
    workshop = open_workshop(tmp_path, overrides=ADOPT)
    _two_versions(workshop)
    _move_behind_our_back(workshop, what, version)
    followers.reconcile(workshop, MODEL)
    assert workshop.store.aliases(MODEL).get(Alias.PRODUCTION) == version
    assert workshop.registry.aliases(MODEL) == workshop.store.aliases(MODEL)
    assert workshop.index.aliases(MODEL).get("production") == version
    assert followers.foreign_moves(workshop, MODEL) == []
    assert [payload.get("settled") for payload in _foreign(workshop)] == [None, "adopted"]
    *_, decided = workshop.store.entries(MODEL, kind=EntryKind.ALIAS)
    assert "Adopted" in decided.payload["reason"]
    workshop.close()


def test_where_alias_and_stage_were_both_moved_the_alias_is_adopted(tmp_path: Path) -> None:
    workshop = open_workshop(tmp_path, overrides=ADOPT)
    _two_versions(workshop)
    enrol(workshop, 0.25)
    _move_behind_our_back(workshop, "stage", 3)
    _move_behind_our_back(workshop, "alias", 2)
    followers.reconcile(workshop, MODEL)
    assert workshop.store.aliases(MODEL)[Alias.PRODUCTION] == 2
    assert workshop.registry.stages(MODEL)[2] is Stage.PRODUCTION
    assert {payload["role"]: payload["settled"] for payload in _foreign(workshop) if "settled" in payload} == {
        "production": "adopted",
        "Production": "taken back",
    }
    workshop.close()


def test_a_version_that_seatrial_did_not_register_is_never_adopted(tmp_path: Path) -> None:
    workshop = open_workshop(tmp_path, overrides=ADOPT)
    _two_versions(workshop)
    _move_behind_our_back(workshop, "alias", 7)
    followers.reconcile(workshop, MODEL)
    assert workshop.store.aliases(MODEL)[Alias.PRODUCTION] == 1
    assert workshop.registry.aliases(MODEL)[Alias.PRODUCTION] == 1
    workshop.close()
