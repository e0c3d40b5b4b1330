"""Which entries of the ledger are news, and what is said of each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seatrial.config import NotifiedEvent
from seatrial.domain.evidence import Verdict
from seatrial.domain.release import Action, Phase
from seatrial.store.ledger import EntryKind, LedgerEntry, moment_text

__all__ = ["TEST_EVENT", "Notice", "foreign_sentence", "is_rollback_by_hand", "next_command", "notice_of"]

TEST_EVENT = "test"
"""What happened where nothing did: somebody tries the way out."""
_ID_CHARS = 16
_PASS = Verdict.PASS.word
_KEPT = ("action", "release", "phase", "step", "moves", "experiment", "verdict")


@dataclass(frozen=True, slots=True)
class Notice:
    """One message about one entry.

    Attributes:
        notice_id: the same whenever the same entry is told, so that a receiver knows a repetition.
        seq: place of the entry in the ledger.
        event: what happened, as settings name it.
        at: when it was put on record, RFC 3339.
        facts: what is known of it, JSON.
    """

    notice_id: str
    seq: int
    event: str
    at: str
    facts: Mapping[str, Any]

    def body(self) -> bytes:
        """What is sent: the same bytes each time, since they are signed.

        Example:
            >>> Notice("7-ab", 7, "decision", "2026-03-03T12:00:00Z", {"model": "m"}).body()
            b'{"data":{"model":"m"},"timestamp":"2026-03-03T12:00:00Z","type":"decision"}'
        """
        document = {"type": self.event, "timestamp": self.at, "data": self.facts}
        return json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def notice_of(entry: LedgerEntry) -> Notice | None:
    """What is told of an entry; None where nothing is: findings, artifacts and notes come with what they lead to."""
    event = _event_of(entry)
    if event is None:
        return None
    payload = entry.payload
    facts = {
        "model": entry.model,
        "version": entry.version,
        "sentence": _sentence(entry),
        "command": next_command(entry.model, event, payload.get("release")),
        "actor": entry.actor,
        "entry": {"seq": entry.seq, "sha256": entry.sha256},
        **{name: payload[name] for name in _KEPT if name in payload},
        "against": [
            {name: fact for name, fact in one.items() if name != "details"}  # which may be long, and are in the ledger
            for one in payload.get("findings", ())
            if one.get("verdict") != _PASS
        ],
    }
    return Notice(f"{entry.seq}-{entry.sha256[:_ID_CHARS]}", entry.seq, event, moment_text(entry.at), facts)


def next_command(model: str, event: str, release: str | None) -> str:
    """What somebody who reads this does next.

    Example:
        >>> next_command("m", "release.held", "m-2-1a"), next_command("m", "alias.moved", None)
        ('seatrial release status m', 'seatrial models history m')
    """
    if event == "alias.foreign":
        return f"seatrial models verify {model}"
    return f"seatrial release status {model}" if release else f"seatrial models history {model}"


def is_rollback_by_hand(payload: Mapping[str, Any]) -> bool:
    """Whether somebody put the previous version back without a release under way."""
    return any(one.get("details", {}).get("act") == "rollback" for one in payload.get("findings", ()))


def _event_of(entry: LedgerEntry) -> NotifiedEvent | None:
    if entry.kind is EntryKind.FOREIGN:
        return "alias.foreign"
    if entry.kind not in (EntryKind.DECISION, EntryKind.ALIAS):
        return None
    payload = entry.payload
    action = payload.get("action")
    if "release" in payload:
        return _release_event(str(action), payload)
    if entry.kind is EntryKind.ALIAS:
        return "release.rolled_back" if is_rollback_by_hand(payload) else "alias.moved"
    return "version.refused" if action == Action.HOLD else "decision"


def _release_event(action: str, payload: Mapping[str, Any]) -> NotifiedEvent:
    """The event of a decision about a release; phase and step are those it led to."""
    if action == Action.ADVANCE and payload.get("phase") == Phase.DONE:
        return "release.done"
    if action == Action.ADVANCE:
        return "release.advanced" if payload.get("step") else "release.started"
    events: dict[str, NotifiedEvent] = {
        Action.HOLD: "release.held",
        Action.PROMOTE: "release.promoted",
        Action.ROLL_BACK: "release.rolled_back",
    }
    return events.get(action, "decision")


def _sentence(entry: LedgerEntry) -> str:
    if entry.kind is EntryKind.FOREIGN:
        return foreign_sentence(entry.payload)
    return str(entry.payload.get("reason", ""))


def foreign_sentence(payload: Mapping[str, Any]) -> str:
    """What somebody moved outside Seatrial.

    Example:
        >>> foreign_sentence({"what": "alias", "role": "production", "ours": 1, "theirs": None})
        "Outside Seatrial the registry's alias 'production' was moved to no version; the record says version 1."
    """
    ours, theirs = (
        "no version" if payload.get(whose) is None else f"version {payload[whose]}" for whose in ("ours", "theirs")
    )
    what, role, settled = payload.get("what"), payload.get("role"), payload.get("settled")
    settlement = f" It was {settled}." if settled else ""
    return f"Outside Seatrial the registry's {what} {role!r} was moved to {theirs}; the record says {ours}.{settlement}"
