"""Which entries are told, and as what."""

from __future__ import annotations

import json
from typing import get_args

import pytest
import typer.main

from seatrial.cli.main import app
from seatrial.config import NotifiedEvent
from seatrial.domain.evidence import Verdict
from seatrial.domain.release import Action, Phase
from seatrial.notifications.notices import notice_of
from seatrial.store.ledger import EntryKind, LedgerEntry
from tests.ledger_entries import decided, entry_of, finding, foreign

BY_HAND = finding("human.override", Verdict.PASS, act="rollback").to_json()
MOVES = {"production": {"from": 1, "to": 2}}
TOLD: dict[str, list[LedgerEntry]] = {
    "release.started": [decided(Action.ADVANCE)],
    "release.advanced": [decided(Action.ADVANCE, step=1)],
    "release.held": [decided(Action.HOLD), decided(Action.HOLD, phase=Phase.PAUSED)],
    "release.promoted": [decided(Action.PROMOTE, phase=Phase.BAKING, moves=MOVES)],
    "release.done": [decided(Action.ADVANCE, phase=Phase.DONE, step=2)],
    "release.rolled_back": [
        decided(Action.ROLL_BACK, phase=Phase.ROLLED_BACK),
        decided(Action.ROLL_BACK, phase=Phase.ROLLED_BACK, moves=MOVES),
        entry_of(EntryKind.ALIAS, {"moves": MOVES, "reason": "ann: no", "findings": [BY_HAND]}),
    ],
    "alias.moved": [entry_of(EntryKind.ALIAS, {"moves": MOVES, "reason": "First release.", "findings": []})],
    "alias.foreign": [foreign(), foreign(settled="taken back")],
    "version.refused": [entry_of(EntryKind.DECISION, {"action": "hold", "subject": "m@2", "reason": "No."})],
    "decision": [
        entry_of(EntryKind.DECISION, {"action": "ship", "reason": "Of a later release of Seatrial."}),
        entry_of(EntryKind.DECISION, {"action": "ship", "release": "m-2-a", "reason": "The same in a release."}),
    ],
}


def parses(line: str) -> bool:
    """Whether the command line knows a command with such arguments."""
    command, words = typer.main.get_command(app), line.split()[1:]
    context = command.make_context("seatrial", ["--help"], resilient_parsing=True)
    while hasattr(command, "commands"):
        command = command.commands[words.pop(0)]
    return bool(command.make_context("seatrial", words, parent=context).params)


def test_every_event_of_the_settings_is_met_here() -> None:
    assert set(TOLD) == set(get_args(NotifiedEvent))


@pytest.mark.parametrize("event", TOLD)
def test_an_entry_is_told_as_its_event(event: str) -> None:
    for entry in TOLD[event]:
        notice = notice_of(entry)
        assert notice is not None
        assert notice.event == event
        document = json.loads(notice.body())
        assert (document["type"], document["data"]["model"]) == (event, "m")
        assert document["data"]["sentence"]
        assert parses(document["data"]["command"])
        assert document["data"]["entry"] == {"seq": entry.seq, "sha256": entry.sha256}


@pytest.mark.parametrize("kind", [EntryKind.REGISTERED, EntryKind.FINDING, EntryKind.NOTE])
def test_what_leads_to_a_decision_is_told_with_it_only(kind: EntryKind) -> None:
    assert notice_of(entry_of(kind, {"check": "a.b", "action": "hold"})) is None


def test_findings_that_do_not_pass_come_along() -> None:
    harm = finding("release.harm", Verdict.FAIL)
    notice = notice_of(decided(Action.ROLL_BACK, finding("release.step", Verdict.PASS), harm))
    assert notice is not None
    (against,) = notice.facts["against"]
    assert (against["check"], against["verdict"]) == ("release.harm", "fail")
    assert "details" not in against


def test_what_was_decided_about_an_experiment_names_it() -> None:
    payload = {"action": "stop", "subject": "m@2", "reason": "Ship it.", "experiment": "m-x", "verdict": "ship"}
    notice = notice_of(entry_of(EntryKind.DECISION, payload))
    assert notice is not None
    assert (notice.event, notice.facts["experiment"], notice.facts["verdict"]) == ("decision", "m-x", "ship")


def test_the_same_entry_is_the_same_message() -> None:
    first, again = notice_of(decided(Action.HOLD)), notice_of(decided(Action.HOLD))
    other = notice_of(decided(Action.HOLD, after_s=1.0))
    assert first is not None
    assert again is not None
    assert other is not None
    assert (first.notice_id, first.body()) == (again.notice_id, again.body())
    assert other.notice_id != first.notice_id
