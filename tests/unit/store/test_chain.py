from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.store.chain import BreakKind, UnreadableEntry, check_chain
from seatrial.store.ledger import GENESIS_SHA256, EntryDraft, EntryKind, LedgerEntry, chain_sha256
from tests.ledgers import NOON


def chain(length: int) -> list[LedgerEntry]:
    entries: list[LedgerEntry] = []
    for seq in range(1, length + 1):
        draft = EntryDraft(EntryKind.NOTE, "m", None, {"number": seq}, "ann")
        entries.append(draft.sealed(seq, NOON, entries[-1].sha256 if entries else GENESIS_SHA256))
    return entries


def found(entries: Sequence[LedgerEntry | UnreadableEntry]) -> list[tuple[int, str]]:
    return [(broken.seq, broken.kind.value) for broken in check_chain(entries)]


ENTRIES = chain(6)


def test_a_whole_chain_holds() -> None:
    assert found(ENTRIES) == []
    assert found([]) == []


def test_an_edited_entry_is_told_once() -> None:
    edited = dataclasses.replace(ENTRIES[2], payload={"number": 99})
    assert found([*ENTRIES[:2], edited, *ENTRIES[3:]]) == [(3, "edited")]


def test_an_edited_entry_with_a_fresh_digest_breaks_the_next_link() -> None:
    edited = dataclasses.replace(ENTRIES[2], payload={"number": 99})
    resealed = dataclasses.replace(edited, sha256=chain_sha256(edited.to_json()))
    assert found([*ENTRIES[:2], resealed, *ENTRIES[3:]]) == [(4, "unlinked")]


def test_missing_entries_are_told_with_their_span() -> None:
    assert [b.reason for b in check_chain([*ENTRIES[:1], *ENTRIES[3:]])] == ["Entries 2 to 3 are missing."]
    assert found(ENTRIES[1:]) == [(1, "missing")]


def test_entries_out_of_order_are_told() -> None:
    swapped = [ENTRIES[0], ENTRIES[2], ENTRIES[1], *ENTRIES[3:]]
    assert (2, BreakKind.ORDER.value) in found(swapped)
    assert (2, BreakKind.ORDER.value) in found([*ENTRIES[:2], ENTRIES[1], *ENTRIES[2:]])


def test_an_unreadable_entry_is_told_once() -> None:
    assert found([*ENTRIES[:2], UnreadableEntry(3, "no JSON."), *ENTRIES[3:]]) == [(3, "unreadable")]


@settings(deadline=None)
@given(st.permutations(ENTRIES))
def test_any_other_order_breaks_the_chain(entries: list[LedgerEntry]) -> None:
    assert bool(found(entries)) == (entries != ENTRIES)


@settings(deadline=None)
@given(st.sets(st.sampled_from(range(len(ENTRIES)))))
def test_only_a_cut_tail_goes_unseen_without_a_noted_head(kept: set[int]) -> None:
    entries = [ENTRIES[place] for place in sorted(kept)]
    assert bool(found(entries)) == (entries != ENTRIES[: len(entries)])
