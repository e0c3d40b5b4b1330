from __future__ import annotations

import dataclasses
import hashlib
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from seatrial.domain.errors import UsageError
from seatrial.store.ledger import GENESIS_SHA256, EntryDraft, EntryKind, LedgerHead, chain_sha256, moment_text
from tests.ledgers import NOON

DRAFT = EntryDraft(EntryKind.NOTE, "m", 7, {"b": [1, 2.5], "a": "é"}, "ann")


def test_the_digest_is_what_anybody_can_compute_from_the_published_form() -> None:
    entry = DRAFT.sealed(1, NOON, GENESIS_SHA256)
    document = (
        '{"actor":"ann","at":"2026-03-03T12:00:00.000000+00:00","kind":"note","model":"m",'
        f'"payload":{{"a":"é","b":[1,2.5]}},"previous_sha256":"{"0" * 64}","seq":1,"version":7}}'
    )
    assert entry.sha256 == hashlib.sha256(document.encode()).hexdigest()
    assert chain_sha256(json.loads(json.dumps(entry.to_json()))) == entry.sha256


@pytest.mark.parametrize(
    "change",
    [
        {"seq": 2},
        {"at": NOON + timedelta(microseconds=1)},
        {"actor": "bob"},
        {"kind": EntryKind.DECISION},
        {"model": "n"},
        {"version": None},
        {"payload": {}},
        {"previous_sha256": "1" * 64},
    ],
)
def test_every_field_counts_in_the_digest(change: dict[str, Any]) -> None:
    entry = DRAFT.sealed(1, NOON, GENESIS_SHA256)
    assert chain_sha256(dataclasses.replace(entry, **change).to_json()) != entry.sha256


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"kind": "rumour"}, "no kind of ledger entry"),
        ({"kind": ["note"]}, "no kind of ledger entry"),
        ({"model": "no/name"}, "cannot be a model name"),
        ({"model": None}, "cannot be a model name"),
        ({"version": 0}, "cannot be a version"),
        ({"version": 2**31}, "cannot be a version"),
        ({"version": "7"}, "cannot be a version"),
        ({"version": 7.0}, "cannot be a version"),
        ({"actor": ""}, "cannot be an actor"),
        ({"actor": "a" * 201}, "cannot be an actor"),
        ({"actor": "ann\nINFO forged line"}, "cannot be an actor"),
        ({"actor": "\ud800"}, "cannot be an actor"),
        ({"actor": None}, "cannot be an actor"),
        ({"payload": None}, "is a mapping"),
        ({"kind": EntryKind.ARTIFACT, "payload": {"artifact": "onnx-fp32"}}, "needs 'artifact'"),
    ],
)
def test_an_impossible_draft_is_refused(change: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        dataclasses.replace(DRAFT, **change)


def test_a_draft_keeps_no_reference_to_what_its_writer_may_still_change() -> None:
    payload = {"rows": [1]}
    draft = EntryDraft(EntryKind.NOTE, "m", None, payload, "ann")
    payload["rows"].append(2)
    assert draft.payload == {"rows": [1]}


def test_the_same_moment_has_one_text() -> None:
    assert moment_text(NOON.astimezone(timezone(timedelta(hours=8)))) == moment_text(NOON)
    with pytest.raises(UsageError, match="no time zone"):
        moment_text(datetime(2026, 3, 3))
    assert moment_text(datetime(1, 1, 1, tzinfo=UTC)) == "0001-01-01T00:00:00.000000+00:00"


def test_a_head_goes_through_text_and_back() -> None:
    plain = LedgerHead(12, "a" * 64)
    signed = plain.signed(b"a key of the auditors")
    assert plain.to_text() == f"12:{'a' * 64}"
    assert LedgerHead.from_text(plain.to_text()) == plain
    assert LedgerHead.from_text(signed.to_text()) == signed
    assert signed.is_signed_by(b"a key of the auditors")
    assert not signed.is_signed_by(b"another key")
    assert not plain.is_signed_by(b"a key of the auditors")
    assert not dataclasses.replace(signed, seq=13).is_signed_by(b"a key of the auditors")
    assert not dataclasses.replace(signed, signature="é").is_signed_by(b"a key of the auditors")


@pytest.mark.parametrize(
    "text",
    ["", "12", "12:abc", f"-1:{'a' * 64}", f"12:{'A' * 64}", f"12:{'a' * 64}:", f" 12:{'a' * 64}", f"12:{'a' * 64}\n",
     f"{'9' * 40}:{'a' * 64}", f"١٢:{'a' * 64}", "x" * 10**6],
)  # fmt: skip
def test_what_is_no_head_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no ledger head: write SEQ:SHA256"):
        LedgerHead.from_text(text)
