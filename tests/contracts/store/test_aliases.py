"""What the store promises of aliases."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from seatrial.domain.errors import SeatrialError, UsageError
from seatrial.domain.model import Alias
from seatrial.store.ledger import EntryKind
from seatrial.store.store import Store
from tests.ledgers import NOON, PASSED, execute, move


def test_a_move_writes_intent_and_entry_together(store: Store) -> None:
    store.append(EntryKind.ARTIFACT, "m", 1, {"artifact": "onnx-fp32", "sha256": "a" * 64}, "ann")
    store.append(EntryKind.ARTIFACT, "m", 1, {"artifact": "onnx-fp32", "sha256": "b" * 64}, "ann")
    store.append(EntryKind.ARTIFACT, "m", 2, {"artifact": "onnx-fp32", "sha256": "c" * 64}, "ann")
    entry = move(store, {Alias.PRODUCTION: 1, Alias.CANDIDATE: None})

    assert store.aliases("m") == {Alias.PRODUCTION: 1}
    assert (entry.kind, entry.version, entry.actor) == (EntryKind.ALIAS, 1, "ann")
    assert entry.payload == {
        "moves": {"production": {"from": None, "to": 1}},
        "reason": "All findings pass.",
        "findings": [PASSED.to_json()],
        "artifacts": {"onnx-fp32": "b" * 64},
    }
    assert [(i.alias, i.version, i.seq, i.applied) for i in store.pending("m")] == [(Alias.PRODUCTION, 1, 4, False)]


def test_an_intent_that_cannot_be_written_takes_its_entry_along(store: Store, url: str) -> None:
    execute(
        url,
        "DROP TABLE alias_intents",
        "CREATE TABLE alias_intents (model text, alias text, version int, seq int CHECK (seq < 1), applied boolean)",
    )
    with pytest.raises(SeatrialError, match="nothing was recorded"):
        move(store, {Alias.PRODUCTION: 1})
    assert store.head().seq == 0


def test_a_move_to_where_the_alias_is_changes_nothing(store: Store) -> None:
    move(store, {Alias.PRODUCTION: 1})

    assert store.move_aliases("m", {Alias.PRODUCTION: 1}, actor="ann", reason="Again.") is None
    assert store.move_aliases("m", {Alias.STAGING: None}, actor="ann", reason="Never was.") is None
    assert store.move_aliases("m", {}, actor="ann", reason="Nothing.") is None
    assert store.head().seq == 1
    entry = move(store, {Alias.PRODUCTION: 1, Alias.STAGING: 2})
    assert entry.payload["moves"] == {"staging": {"from": None, "to": 2}}


def test_an_alias_moves_on_and_goes_away(store: Store) -> None:
    move(store, {Alias.PRODUCTION: 1})
    entry = move(store, {Alias.PRODUCTION: 2, Alias.PREVIOUS: 1})
    assert entry.payload["moves"]["production"] == {"from": 1, "to": 2}
    assert store.aliases("m") == {Alias.PRODUCTION: 2, Alias.PREVIOUS: 1}

    gone = move(store, {Alias.PRODUCTION: None})
    assert gone.version is None
    assert store.aliases("m") == {Alias.PREVIOUS: 1}
    assert store.aliases("other") == {}


def test_only_what_the_followers_saw_is_applied(store: Store) -> None:
    first = move(store, {Alias.PRODUCTION: 1, Alias.STAGING: 1})
    second = move(store, {Alias.PRODUCTION: 2})  # while the followers were still at the first
    store.mark_applied("m", first.seq)
    assert [(i.alias, i.version, i.seq) for i in store.pending("m")] == [(Alias.PRODUCTION, 2, second.seq)]

    store.mark_applied("other", second.seq)
    assert len(store.pending("m")) == 1
    store.mark_applied("m", second.seq)
    assert store.pending("m") == []


@pytest.mark.parametrize(
    ("moves", "reason", "told"),
    [
        ({"latest": 1}, "Why.", "no alias 'latest'"),
        ({Alias.PRODUCTION: 0}, "Why.", "cannot be a version"),
        ({Alias.PRODUCTION: 1, Alias.PREVIOUS: -1}, "Why.", "cannot be a version"),
        ({Alias.PRODUCTION: True}, "Why.", "cannot be a version"),
        ({Alias.PRODUCTION: "7"}, "Why.", "cannot be a version"),
        ({Alias.PRODUCTION: 1}, " ", "needs a reason"),
        ({Alias.PRODUCTION: 1}, None, "needs a reason"),
        ({Alias.PRODUCTION: 1}, "\ud800", "not valid Unicode"),
    ],
)
def test_an_impossible_move_is_refused_before_anything_is_written(
    store: Store, moves: Any, reason: Any, told: str
) -> None:
    with pytest.raises(UsageError, match=told):
        store.move_aliases("m", moves, actor="ann", reason=reason)
    assert store.head().seq == 0
    assert store.aliases("m") == {}


def test_what_was_in_production_at_a_moment(store: Store) -> None:
    move(store, {Alias.CANDIDATE: 1})  # 12:00
    first = move(store, {Alias.PRODUCTION: 1})  # 12:01
    second = move(store, {Alias.PRODUCTION: 2})  # 12:02
    gone = move(store, {Alias.PRODUCTION: None})  # 12:03

    assert store.production_at("m", NOON) == (None, None)
    assert store.production_at("m", first.at) == (1, first)
    assert store.production_at("m", second.at - timedelta(microseconds=1)) == (1, first)
    assert store.production_at("m", second.at.astimezone()) == (2, second)
    assert store.production_at("m", gone.at + timedelta(days=9)) == (None, gone)
    assert store.production_at("other", gone.at) == (None, None)
    with pytest.raises(UsageError, match="time zone"):
        store.production_at("m", datetime(2026, 3, 3))
