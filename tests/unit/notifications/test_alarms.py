"""What the record says is wrong, from when on and until when."""

from __future__ import annotations

import pytest

from seatrial.domain.evidence import Verdict
from seatrial.domain.release import SAMPLE_RATIO_CHECK, Action, Phase
from seatrial.notifications.alarms import (
    FOREIGN_MOVE,
    HARD_STOP,
    ROLLED_BACK,
    SAMPLE_RATIO,
    STUCK,
    UNMEASURED,
    Alarm,
    AlarmBoard,
)
from seatrial.store.ledger import EntryKind, LedgerEntry
from tests.ledger_entries import START_S, decided, entry_of, finding, foreign

DAY_S, STUCK_S = 86_400.0, 7200.0
BEGUN = decided(Action.ADVANCE)
ROLLED = {"phase": Phase.ROLLED_BACK}
HARM = finding("release.harm", Verdict.FAIL)
STOP = finding("release.hard_stop", Verdict.FAIL)
BY_HAND = finding("human.override", Verdict.PASS, act="rollback")
MISMATCH, AS_SPLIT = finding(SAMPLE_RATIO_CHECK, Verdict.FAIL), finding(SAMPLE_RATIO_CHECK, Verdict.PASS)
OUT_OF_REACH = finding("release.reach", Verdict.ERROR)


def alarms(*entries: LedgerEntry, after_s: float) -> list[Alarm]:
    """The alarms of a record so long after its start."""
    board = AlarmBoard(STUCK_S)
    for entry in entries:
        board.see(entry)
    return board.at(START_S + after_s)


def standing(*entries: LedgerEntry, after_s: float) -> dict[str, tuple[str, float]]:
    """Severity of the alarms that stand then, and when each began, after the start."""
    now_s = START_S + after_s
    found = alarms(*entries, after_s=after_s)
    return {
        one.name: (one.severity, one.since_s - START_S) for one in found if one.until_s is None or one.until_s > now_s
    }


@pytest.mark.parametrize(
    ("findings", "expected"),
    [
        ((HARM,), {ROLLED_BACK: ("critical", 60.0)}),
        ((STOP, HARM), {HARD_STOP: ("critical", 60.0)}),
        ((BY_HAND,), {ROLLED_BACK: ("warning", 60.0)}),
    ],
)
def test_a_rollback_alarms_for_a_day(findings: tuple[object, ...], expected: dict[str, tuple[str, float]]) -> None:
    entries = BEGUN, decided(Action.ROLL_BACK, *findings, after_s=60.0, phase=Phase.ROLLED_BACK)  # type: ignore[arg-type]  # findings
    assert standing(*entries, after_s=60.0) == expected
    assert standing(*entries, after_s=59.0 + DAY_S) == expected
    assert standing(*entries, after_s=60.0 + DAY_S) == {}


def test_the_next_release_ends_the_alarm_of_a_rollback() -> None:
    entries = BEGUN, decided(Action.ROLL_BACK, HARM, after_s=60.0, phase=Phase.ROLLED_BACK)
    again = decided(Action.ADVANCE, after_s=100.0, release="m-3-b")
    (alarm,) = alarms(*entries, again, after_s=101.0)
    assert (alarm.name, alarm.until_s) == (ROLLED_BACK, START_S + 100.0), "its end is told"
    assert alarms(*entries, again, after_s=1001.0) == []


def test_a_rollback_without_a_release_alarms_too() -> None:
    payload = {"moves": {}, "reason": "ann: no good.", "findings": [BY_HAND.to_json()]}
    (alarm,) = alarms(entry_of(EntryKind.ALIAS, payload), after_s=1.0)
    assert (alarm.name, alarm.sentence, alarm.command) == (ROLLED_BACK, "ann: no good.", "seatrial models history m")


def test_a_sample_ratio_alarm_stands_until_units_arrive_as_split_or_the_step_is_left() -> None:
    entries = BEGUN, decided(Action.HOLD, MISMATCH, after_s=10.0)
    paused = decided(Action.HOLD, finding("human.pause", Verdict.PASS), after_s=20.0)
    away = decided(Action.HOLD, OUT_OF_REACH, after_s=30.0)
    for others in ((), (paused,), (paused, away)):
        assert standing(*entries, *others, after_s=40.0)[SAMPLE_RATIO] == ("critical", 10.0)
    for end in (decided(Action.HOLD, AS_SPLIT, after_s=50.0), decided(Action.ADVANCE, after_s=50.0, step=1)):
        assert standing(*entries, end, after_s=50.0) == {}
        assert alarms(*entries, end, after_s=51.0)[0].until_s == START_S + 50.0


def test_what_cannot_be_measured_alarms_after_five_minutes() -> None:
    entries = BEGUN, decided(Action.HOLD, OUT_OF_REACH, after_s=10.0)
    assert standing(*entries, after_s=309.0) == {}
    assert standing(*entries, after_s=310.0) == {UNMEASURED: ("warning", 310.0)}
    soon, late = (decided(Action.HOLD, AS_SPLIT, after_s=after_s) for after_s in (100.0, 400.0))
    assert alarms(*entries, soon, after_s=500.0) == [], "it never was"
    assert standing(*entries, late, after_s=500.0) == {}
    assert [one.name for one in alarms(*entries, late, after_s=500.0)] == [UNMEASURED], "its end is told"


def test_a_release_that_does_not_move_is_stuck_and_says_why() -> None:
    entries = BEGUN, decided(Action.HOLD, AS_SPLIT, after_s=10.0)
    assert standing(*entries, after_s=STUCK_S - 1) == {}
    assert standing(*entries, after_s=STUCK_S) == {STUCK: ("warning", STUCK_S)}
    (alarm,) = alarms(*entries, after_s=STUCK_S)
    assert alarm.sentence == "Release m-2-a has not moved for 2 hours. To hold."
    assert alarm.command == "seatrial release status m"
    for move in (
        decided(Action.ADVANCE, after_s=STUCK_S + 5, step=1),
        decided(Action.HOLD, finding("human.approval", Verdict.PASS), after_s=STUCK_S + 5),
        decided(Action.PROMOTE, after_s=STUCK_S + 5, phase=Phase.BAKING),
    ):
        (ended,) = alarms(*entries, move, after_s=STUCK_S + 6)
        assert (ended.name, ended.until_s) == (STUCK, START_S + STUCK_S + 5)


@pytest.mark.parametrize("phase", [Phase.BAKING, Phase.DONE, Phase.ROLLED_BACK])
def test_what_bakes_or_is_over_is_not_stuck(phase: Phase) -> None:
    action = Action.PROMOTE if phase is Phase.BAKING else Action.ADVANCE
    assert STUCK not in standing(BEGUN, decided(action, after_s=10.0, phase=phase), after_s=10 * STUCK_S)


def test_a_foreign_move_alarms_for_an_hour_though_it_is_taken_back_at_once() -> None:
    entries = foreign(), foreign(0.1, settled="taken back")
    assert standing(foreign(), after_s=2 * DAY_S) == {FOREIGN_MOVE: ("warning", 0.0)}
    assert standing(*entries, after_s=3599.0) == {FOREIGN_MOVE: ("warning", 0.0)}
    assert standing(*entries, after_s=3600.0) == {}
    (alarm,) = alarms(*entries, after_s=1.0)
    assert alarm.sentence.endswith("was moved to version 2; the record says version 1. It was taken back.")
    assert alarm.command == "seatrial models verify m"


def test_other_entries_alarm_nobody() -> None:
    others = [entry_of(kind, {"check": "a", "moves": {}}) for kind in (EntryKind.NOTE, EntryKind.ALIAS)]
    refused = entry_of(EntryKind.DECISION, {"action": "hold", "reason": "No."})
    assert alarms(*others, refused, after_s=DAY_S) == []
