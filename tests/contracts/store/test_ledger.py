"""What the store promises of entries and findings."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

import pytest

from seatrial.domain.errors import UsageError
from seatrial.domain.model import Alias
from seatrial.store.ledger import GENESIS_SHA256, EntryDraft, EntryKind, LedgerHead
from seatrial.store.store import Store
from tests.ledgers import FAILED, KEY, NOON, PARITY, PASSED, move, note


def test_entries_come_back_as_they_were_written(store: Store) -> None:
    payload = {
        "text": "naïve 评论 \u0000 \U0001f600",
        "figures": (1, 2.5, -0.0, 1e300, 2**63),
        "nested": {"a": [None, True]},
    }
    written = store.append(EntryKind.NOTE, "m", 3, payload, "Ann Ähre")

    assert list(store.entries()) == [written]
    assert written.seq == 1
    assert written.at == NOON
    assert written.previous_sha256 == GENESIS_SHA256
    assert written.payload["figures"] == [1, 2.5, -0.0, 1e300, 2**63]
    assert written.payload["text"] == payload["text"]


def test_entries_are_listed_by_model_and_from_a_place_on(store: Store) -> None:
    count = 1000  # two full pages, so that the third is empty
    store.append_all([EntryDraft(EntryKind.NOTE, "m", None, {"number": i}, "ann") for i in range(count)])
    store.append(EntryKind.NOTE, "other", None, {}, "ann")

    assert [entry.payload["number"] for entry in store.entries("m")] == list(range(count))
    assert [entry.seq for entry in store.entries(after=count - 1)] == [count, count + 1]
    assert [entry.seq for entry in store.entries("other")] == [count + 1]
    assert list(store.entries("unknown")) == []


def test_entries_are_listed_by_kind_and_version(store: Store) -> None:
    store.append(EntryKind.NOTE, "m", 1, {"number": 1}, "ann")
    store.append(EntryKind.NOTE, "m", 2, {"number": 2}, "ann")
    store.append(EntryKind.FOREIGN, "m", 2, {"number": 3}, "ann")
    store.append(EntryKind.NOTE, "other", 2, {"number": 4}, "ann")

    assert [entry.seq for entry in store.entries("m", kind=EntryKind.NOTE)] == [1, 2]
    assert [entry.seq for entry in store.entries("m", version=2)] == [2, 3]
    assert [entry.seq for entry in store.entries("m", kind=EntryKind.NOTE, version=2)] == [2]
    assert [entry.seq for entry in store.entries(kind=EntryKind.NOTE, after=1)] == [2, 4]


def test_a_fact_is_recorded_once_until_it_changes(store: Store) -> None:
    def append(version: int | None, role: str, theirs: int) -> int | None:
        draft = EntryDraft(EntryKind.FOREIGN, "m", version, {"role": role, "theirs": theirs}, "ann")
        entry = store.append_once(draft, "role")
        return None if entry is None else entry.seq

    assert append(None, "production", 2) == 1
    assert append(None, "staging", 2) == 2
    assert append(1, "production", 2) == 3
    assert append(None, "production", 2) is None, "the entry about another role, or version, is no news of this one"
    assert append(None, "production", 3) == 4
    assert append(None, "production", 2) == 5, "what it was before is news again"
    assert append(None, "staging", 2) is None
    assert store.head().seq == 5


def test_all_or_none_of_several_entries(store: Store) -> None:
    with pytest.raises(UsageError):
        store.append_all(
            [
                EntryDraft(EntryKind.NOTE, "m", None, {}, "ann"),
                EntryDraft(EntryKind.NOTE, "m", None, {"bad": float("nan")}, "ann"),
            ]
        )
    assert store.append_all([]) == []
    assert store.head().seq == 0


@pytest.mark.parametrize(
    ("payload", "told"),
    [
        ({"value": float("nan")}, "payload.value is nan"),
        ({"rows": [1.0, float("inf")]}, r"payload.rows\[1\] is inf"),
        ({"text": "\ud800"}, "not valid Unicode"),
        ({"\udfff": 1}, "not valid Unicode"),
        ({"when": NOON}, "payload.when is a datetime"),
        ({"raw": b"x"}, "payload.raw is a bytes"),
        ({1: "x"}, "keys are text"),
        ({"big": 2**64}, "more than 64 bits"),
        ("text", "is a mapping"),
    ],
)
def test_a_payload_that_json_cannot_hold_is_refused_before_anything_is_written(
    store: Store, payload: Any, told: str
) -> None:
    with pytest.raises(UsageError, match=told):
        store.append(EntryKind.NOTE, "m", None, payload, "ann")
    assert store.head() == LedgerHead(0, GENESIS_SHA256)


@pytest.mark.parametrize(
    ("kind", "method"), [(EntryKind.ALIAS, "move_aliases"), (EntryKind.FINDING, "record_findings")]
)
def test_a_kind_with_a_method_of_its_own_cannot_be_appended(store: Store, kind: EntryKind, method: str) -> None:
    with pytest.raises(UsageError, match=f"written by {method} only"):
        store.append(kind, "m", 1, {}, "ann")
    with pytest.raises(UsageError, match=f"written by {method} only"):
        store.append_once(EntryDraft(kind, "m", 1, {}, "ann"), "check")
    assert store.head().seq == 0


def test_each_entry_is_logged_with_its_digest(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "seatrial.store"):
        noted, moved = note(store), move(store, {Alias.STAGING: 1})

    assert [record.message for record in caplog.records] == ["ledger entry appended"] * 2
    assert [(r.seq, r.sha256, r.kind) for r in caplog.records] == [  # type: ignore[attr-defined]  # extra fields
        (1, noted.sha256, "note"),
        (2, moved.sha256, "alias"),
    ]


def test_a_clock_without_a_time_zone_is_refused(url: str) -> None:
    with Store.open(url, clock=lambda: datetime(2026, 3, 3)) as store:
        with pytest.raises(UsageError, match="time zone"):
            note(store)
        assert store.head().seq == 0


def test_the_head_survives_reopening_and_is_signed_with_a_key(url: str) -> None:
    with Store.open(url) as store:
        entry = note(store)
        assert store.head() == LedgerHead(1, entry.sha256)
    with Store.open(url, signing_key=KEY) as store:
        head = store.head()
    assert (head.seq, head.sha256) == (1, entry.sha256)
    assert head.is_signed_by(KEY)
    assert not head.is_signed_by(b"another key, also long")


def test_the_same_findings_again_add_nothing(store: Store) -> None:
    first = store.record_findings("m", 1, [PASSED, PARITY], "ann")
    again = store.record_findings("m", 1, [PARITY, PASSED], "bob")

    assert again == first[::-1]
    assert store.head().seq == 2
    assert store.findings("m", 1) == [PASSED, PARITY]


def test_a_changed_finding_is_recorded_and_is_the_latest(store: Store) -> None:
    store.record_findings("m", 1, [PASSED, PARITY], "ann")
    entries = store.record_findings("m", 1, [FAILED, PARITY], "ann")

    assert [entry.seq for entry in entries] == [3, 2]
    assert store.findings("m", 1) == [FAILED, PARITY]
    store.record_findings("m", 1, [PASSED], "ann")  # what it was before is news again
    assert store.findings("m", 1) == [PASSED, PARITY]
    assert store.head().seq == 4


def test_findings_belong_to_their_version(store: Store) -> None:
    store.record_findings("m", 1, [PASSED], "ann")
    store.record_findings("m", None, [PARITY], "ann")

    assert store.findings("m", 2) == []
    assert store.findings("other", 1) == []
    assert store.findings("m", None) == [PARITY]
    assert store.record_findings("m", 1, [], "ann") == []


def test_two_findings_of_one_claim_are_refused_since_one_would_hide_the_other(store: Store) -> None:
    with pytest.raises(UsageError, match=r"Two findings claim evaluation\.accuracy_floor about m@1"):
        store.record_findings("m", 1, [FAILED, PASSED], "ann")
    assert store.head().seq == 0
