"""What is wrong now, read from the ledger: alarms begin and end with its entries, or with time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from seatrial.domain.evidence import Verdict
from seatrial.domain.release import SAMPLE_RATIO_CHECK, Action, Phase
from seatrial.notifications.notices import foreign_sentence, is_rollback_by_hand, next_command
from seatrial.store.ledger import EntryKind, LedgerEntry

__all__ = ["FOREIGN_MOVE", "HARD_STOP", "ROLLED_BACK", "SAMPLE_RATIO", "STUCK", "UNMEASURED", "Alarm", "AlarmBoard"]

ROLLED_BACK, HARD_STOP, SAMPLE_RATIO = "SeatrialRolledBack", "SeatrialHardStop", "SeatrialSampleRatio"
STUCK, UNMEASURED, FOREIGN_MOVE = "SeatrialReleaseStuck", "SeatrialReleaseUnmeasured", "SeatrialForeignMove"
_HARD_STOP_CHECK = "release.hard_stop"
_HUMAN = "human."
_FAIL, _ERROR = Verdict.FAIL.word, Verdict.ERROR.word
_ROLLBACK_S = 86_400.0
"""A rollback is a moment; its alarm stands for a day, or until the next release begins."""
_FOREIGN_S = 3600.0
"""A foreign move is taken back at once, and somebody should hear of it all the same."""
_UNMEASURED_AFTER_S = 300.0
"""A data plane may be restarted without anybody being called."""
_RETOLD_S = 900.0
"""For so long the end of an alarm is told again, so that a receiver that was away hears of it."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something is wrong with a model.

    Attributes:
        name, model, severity: what makes it this alarm and no other.
        sentence: what is wrong.
        command: what somebody does next.
        since_s: from when on, seconds since the epoch.
        until_s: from when on no more; None: that is not known yet.
    """

    name: str
    model: str
    severity: str
    sentence: str
    command: str
    since_s: float
    until_s: float | None = None

    @property
    def identity(self) -> tuple[str, str, str]:
        """What makes it this alarm and no other."""
        return self.name, self.model, self.severity


@dataclass(frozen=True, slots=True)
class _Standing:
    """A release that is under way: since when its step has not changed, and what was said last."""

    release: str
    moved_s: float
    sentence: str
    may_be_stuck: bool


class AlarmBoard:
    """The alarms of every model, from the entries it has seen.

    Args:
        stuck_hold_s: a release whose step has not changed for so long is stuck.
    """

    def __init__(self, stuck_hold_s: float) -> None:
        self._stuck_hold_s = stuck_hold_s
        self._alarms: dict[tuple[str, str, str], Alarm] = {}
        self._standing: dict[str, _Standing] = {}

    def see(self, entry: LedgerEntry) -> None:
        """Takes in the next entry of the record."""
        at_s, payload = entry.at.timestamp(), entry.payload
        if entry.kind is EntryKind.FOREIGN:
            self._see_foreign(entry.model, payload, at_s)
        elif entry.kind in (EntryKind.DECISION, EntryKind.ALIAS) and "release" in payload:
            self._see_release(entry.model, payload, at_s)
        elif entry.kind is EntryKind.ALIAS and is_rollback_by_hand(payload):
            said = _reason(payload), _command(entry.model, payload)
            self._begin(Alarm(ROLLED_BACK, entry.model, "warning", *said, at_s, at_s + _ROLLBACK_S))

    def at(self, now_s: float) -> list[Alarm]:
        """The alarms that stand, and those that have ended a short time ago, in a stable order."""
        alarms = [*self._alarms.values(), *self._stuck(now_s)]
        return sorted(
            (
                one
                for one in alarms
                if one.since_s <= now_s and (one.until_s is None or now_s < one.until_s + _RETOLD_S)
            ),
            key=lambda one: (*one.identity, one.since_s),
        )

    def _see_foreign(self, model: str, payload: Mapping[str, Any], at_s: float) -> None:
        said = foreign_sentence(payload), next_command(model, "alias.foreign", None)
        alarm = Alarm(FOREIGN_MOVE, model, "warning", *said, at_s)
        known = self._alarms.get(alarm.identity)
        if "settled" not in payload:
            self._begin(alarm)
        elif known is not None and known.until_s is None:
            self._begin(replace(alarm, until_s=max(at_s, known.since_s + _FOREIGN_S)))

    def _see_release(self, model: str, payload: Mapping[str, Any], at_s: float) -> None:
        standing, release = self._standing.get(model), str(payload["release"])
        if standing is None or standing.release != release:
            self._end((ROLLED_BACK, HARD_STOP), model, at_s)
        findings: list[Mapping[str, Any]] = list(payload.get("findings", ()))
        if payload.get("action") != Action.HOLD:
            self._end((SAMPLE_RATIO, UNMEASURED), model, at_s)
            self._moved(model, payload, at_s)
        elif all(str(one.get("check", "")).startswith(_HUMAN) for one in findings):
            self._moved(model, payload, at_s)  # somebody has looked at it
        else:
            self._see_hold(model, payload, findings, at_s)
        if payload.get("action") == Action.ROLL_BACK:
            self._see_rollback(model, payload, findings, at_s)

    def _see_hold(
        self, model: str, payload: Mapping[str, Any], findings: Iterable[Mapping[str, Any]], at_s: float
    ) -> None:
        verdicts = {str(one.get("check")): one.get("verdict") for one in findings}
        said = _reason(payload), _command(model, payload)
        if verdicts.get(SAMPLE_RATIO_CHECK) == _FAIL:
            self._begin(Alarm(SAMPLE_RATIO, model, "critical", *said, at_s))
        elif SAMPLE_RATIO_CHECK in verdicts:
            self._end((SAMPLE_RATIO,), model, at_s)
        if _ERROR in verdicts.values():
            self._begin(Alarm(UNMEASURED, model, "warning", *said, at_s + _UNMEASURED_AFTER_S))
        else:
            self._end((UNMEASURED,), model, at_s)
        standing = self._standing.get(model)
        if standing is not None:
            self._standing[model] = replace(standing, sentence=_reason(payload))

    def _see_rollback(
        self, model: str, payload: Mapping[str, Any], findings: Iterable[Mapping[str, Any]], at_s: float
    ) -> None:
        failed = [str(one.get("check")) for one in findings if one.get("verdict") == _FAIL]
        name = HARD_STOP if _HARD_STOP_CHECK in failed else ROLLED_BACK
        said = _reason(payload), _command(model, payload)
        self._begin(Alarm(name, model, "critical" if failed else "warning", *said, at_s, at_s + _ROLLBACK_S))

    def _moved(self, model: str, payload: Mapping[str, Any], at_s: float) -> None:
        """A step or phase begins, or somebody has looked: the time for being stuck begins anew."""
        for alarm in self._stuck(at_s, model):
            self._alarms[alarm.identity] = replace(alarm, until_s=at_s)
        phase = payload.get("phase")
        if phase in (Phase.DONE, Phase.ROLLED_BACK):
            self._standing.pop(model, None)
            return
        self._standing[model] = _Standing(str(payload["release"]), at_s, _reason(payload), phase != Phase.BAKING)

    def _stuck(self, now_s: float, only: str | None = None) -> Iterable[Alarm]:
        for model, standing in self._standing.items():
            since_s = standing.moved_s + self._stuck_hold_s
            if standing.may_be_stuck and since_s <= now_s and only in (None, model):
                hours = self._stuck_hold_s / 3600
                sentence = f"Release {standing.release} has not moved for {hours:g} hours. {standing.sentence}"
                command = next_command(model, "release.held", standing.release)
                yield Alarm(STUCK, model, "warning", sentence, command, since_s)

    def _begin(self, alarm: Alarm) -> None:
        known = self._alarms.get(alarm.identity)
        if known is not None and known.until_s is None:
            alarm = replace(alarm, since_s=min(alarm.since_s, known.since_s))  # it goes on
        self._alarms[alarm.identity] = alarm

    def _end(self, names: Iterable[str], model: str, at_s: float) -> None:
        for identity, alarm in list(self._alarms.items()):
            if identity[0] not in names or identity[1] != model:
                continue
            if alarm.since_s > at_s:
                del self._alarms[identity]  # it never was
            elif alarm.until_s is None or alarm.until_s > at_s:
                self._alarms[identity] = replace(alarm, until_s=at_s)


def _reason(payload: Mapping[str, Any]) -> str:
    return str(payload.get("reason", ""))


def _command(model: str, payload: Mapping[str, Any]) -> str:
    return next_command(model, "release.held", payload.get("release"))
