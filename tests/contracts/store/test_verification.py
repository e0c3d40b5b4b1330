"""Verification: every check is seen to fail on a ledger that somebody tampered with."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from seatrial.domain.errors import LedgerTamperedError
from seatrial.domain.evidence import Finding, Verdict, worst
from seatrial.domain.model import Alias
from seatrial.store.ledger import GENESIS_SHA256, LedgerEntry, LedgerHead
from seatrial.store.store import Store
from tests.ledgers import KEY, NOON, execute, move, note, rewrite_whole, tamper, words

Written = tuple[str, list[LedgerEntry], LedgerHead]
REPLACEMENT = (
    "INSERT OR REPLACE INTO ledger "
    "SELECT seq, at, 'eve', kind, model, version, payload, previous_sha256, sha256 FROM ledger WHERE seq = 1"
)
ALL_PASS = {"chain": "pass", "anchor": "pass", "intents": "pass", "signature": "pass"}


@pytest.fixture
def written(url: str) -> Written:
    """A ledger of five entries: its URL, the entries, and the signed head as it was noted elsewhere."""
    with Store.open(url, signing_key=KEY, clock=lambda: NOON) as store:
        note(store, 1)
        move(store, {Alias.PRODUCTION: 1})
        move(store, {Alias.PRODUCTION: 2, Alias.PREVIOUS: 1})
        note(store, 2)
        note(store, 3)
        return url, list(store.entries()), store.head()


def verify(url: str, *anchors: LedgerHead, key: bytes | None = KEY) -> list[Finding]:
    with Store.open(url, signing_key=key) as store:
        return store.verify(anchors)


def reason(findings: list[Finding], check: str) -> str:
    return next(finding.reason for finding in findings if finding.check == f"ledger.{check}")


def test_an_honest_ledger_passes(written: Written) -> None:
    url, entries, head = written
    findings = verify(url, head, LedgerHead(2, entries[1].sha256).signed(KEY))
    assert words(findings) == ALL_PASS
    assert [finding.samples for finding in findings] == [5, 2, 5, 2]
    assert "up to entry 5 of 5" in reason(findings, "anchor")
    assert worst(findings) is Verdict.PASS


def test_without_a_noted_head_nothing_vouches_for_the_ledger(written: Written) -> None:
    assert words(verify(written[0], key=None)) == {"chain": "pass", "anchor": "inconclusive", "intents": "pass"}


def test_an_empty_ledger_proves_nothing(url: str) -> None:
    assert set(words(verify(url, key=None)).values()) == {"inconclusive"}
    assert words(verify(url, LedgerHead(0, GENESIS_SHA256), key=None))["anchor"] == "pass"


@pytest.mark.parametrize(
    "edit",
    [
        "payload = '{\"number\":9}'",
        "payload = '{\"number\": 1}'",
        "payload = '{\"number\":'",
        "payload = ''",
        "actor = 'eve'",
        "actor = ''",
        "model = 'n'",
        "version = 2",
        "kind = 'decision'",
        "kind = 'unheard-of'",
        "at = '2026-03-03T11:00:00.000000+00:00'",
        "at = '2026-03-03T12:00:00+00:00'",
        "at = 'yesterday'",
        f"previous_sha256 = '{'1' * 64}'",
        f"sha256 = '{'1' * 64}'",
    ],
)
def test_an_edited_row_breaks_the_chain(written: Written, edit: str) -> None:
    url, _, head = written
    tamper(url, f"UPDATE ledger SET {edit} WHERE seq = 1")
    findings = verify(url, head)
    assert words(findings)["chain"] == "fail"
    assert reason(findings, "chain").startswith("Entry 1 ")


def test_a_removed_row_breaks_the_chain(written: Written) -> None:
    url, _, head = written
    tamper(url, "DELETE FROM ledger WHERE seq = 4")
    findings = verify(url, head, LedgerHead(4, "a" * 64).signed(KEY))
    assert reason(findings, "chain") == "Entry 4 is missing."
    assert "Entry 4, whose digest was noted elsewhere, is not in the ledger" in reason(findings, "anchor")


def test_a_removed_row_is_found_though_the_others_were_renumbered(written: Written) -> None:
    url, _, head = written
    tamper(url, "DELETE FROM ledger WHERE seq = 4", "UPDATE ledger SET seq = 4 WHERE seq = 5")
    assert words(verify(url, head)) == {**ALL_PASS, "chain": "fail", "anchor": "fail"}


def test_a_cut_tail_is_found_by_a_noted_head(written: Written) -> None:
    url, _, head = written
    tamper(url, "DELETE FROM ledger WHERE seq = 5")
    findings = verify(url, head)
    assert words(findings) == {**ALL_PASS, "anchor": "fail"}
    assert reason(findings, "anchor") == (
        "A head noted elsewhere is at entry 5, the ledger ends at 4: its end was cut off."
    )


def test_a_chain_rewritten_whole_is_found_by_a_noted_head(written: Written) -> None:
    url, entries, head = written
    rewrite_whole(url, entries, {"number": 1000})
    findings = verify(url, head)
    assert words(findings) == {**ALL_PASS, "anchor": "fail"}
    assert "the ledger was rewritten" in reason(findings, "anchor")


def test_a_rewritten_chain_with_rewritten_anchors_is_found_by_the_signature(written: Written) -> None:
    url, entries, head = written
    rewrite_whole(url, entries, {"number": 1000})
    with Store.open(url) as store:
        forged = store.head()
    assert forged.sha256 != head.sha256
    kept_signature = LedgerHead(forged.seq, forged.sha256, head.signature)
    assert words(verify(url, kept_signature)) == {**ALL_PASS, "signature": "fail"}
    assert words(verify(url, forged.signed(b"the key of the forger"))) == {**ALL_PASS, "signature": "fail"}
    assert words(verify(url, forged)) == {**ALL_PASS, "signature": "inconclusive"}


def test_signed_heads_without_a_key_stay_unchecked(written: Written) -> None:
    url, _, head = written
    assert words(verify(url, head, key=None)) == {**ALL_PASS, "signature": "inconclusive"}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE alias_intents SET version = 1 WHERE alias = 'production'",
        "UPDATE alias_intents SET version = NULL WHERE alias = 'production'",
        "UPDATE alias_intents SET seq = 2 WHERE alias = 'production'",
        "UPDATE alias_intents SET alias = 'staging' WHERE alias = 'production'",
        "UPDATE alias_intents SET alias = 'no alias' WHERE alias = 'production'",
        "DELETE FROM alias_intents WHERE alias = 'previous'",
        "INSERT INTO alias_intents (model, alias, version, seq, applied) VALUES ('n', 'production', 1, 1, true)",
    ],
)
def test_an_intent_that_contradicts_the_ledger_is_found(written: Written, statement: str) -> None:
    url, _, head = written
    tamper(url, statement)
    assert words(verify(url, head)) == {**ALL_PASS, "intents": "fail"}


def test_reading_a_damaged_entry_or_intent_says_what_to_do(written: Written) -> None:
    url, _, _ = written
    tamper(
        url,
        "UPDATE ledger SET payload = '[]' WHERE seq = 1",
        "UPDATE ledger SET kind = 'finding', payload = '{}' WHERE seq = 4",
        "UPDATE ledger SET payload = '{}' WHERE seq = 3",
        "UPDATE alias_intents SET alias = 'x' WHERE alias = 'production'",
    )
    with Store.open(url) as store:
        with pytest.raises(LedgerTamperedError, match=r"Entry 1 .* cannot be read: .* seatrial models verify"):
            list(store.entries())
        with pytest.raises(LedgerTamperedError, match="an alias 'x', which does not exist"):
            store.aliases("m")
        with pytest.raises(LedgerTamperedError, match="Entry 4 of the ledger is no finding"):
            store.findings("m", None)
        with pytest.raises(LedgerTamperedError, match="Entry 3 of the ledger is no alias move"):
            store.production_at("m", NOON)


@pytest.mark.parametrize(
    ("only", "statement"),
    [
        (None, "UPDATE ledger SET actor = 'eve' WHERE seq = 1"),
        (None, "DELETE FROM ledger WHERE seq = 5"),
        ("sqlite", REPLACEMENT),
        ("postgresql", "TRUNCATE ledger CASCADE"),
    ],
)  # fmt: skip
def test_the_database_itself_refuses_to_change_the_ledger(written: Written, only: str | None, statement: str) -> None:
    url, entries, _ = written
    if only in (None, sa.make_url(url).get_backend_name()):
        with pytest.raises(sa.exc.DBAPIError, match="append-only"):
            execute(url, statement)
    with Store.open(url) as store:
        assert list(store.entries()) == entries
