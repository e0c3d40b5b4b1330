"""What stands in the ledger: drafts, entries and the head; pure values, no database."""

from __future__ import annotations

import enum
import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from seatrial.domain.errors import UsageError
from seatrial.domain.model import check_model_name
from seatrial.store.canonical import canonical_json

__all__ = [
    "GENESIS_SHA256",
    "EntryDraft",
    "EntryKind",
    "LedgerEntry",
    "LedgerHead",
    "chain_sha256",
    "check_version",
    "moment_text",
]

GENESIS_SHA256 = "0" * 64
"""What the first entry names as the one before it."""
_ACTOR_CHARS = 200
_HEAD = re.compile(r"([0-9]{1,18}):([0-9a-f]{64})(?::([0-9a-f]{64}))?")


class EntryKind(enum.StrEnum):
    """What an entry records.

    REGISTERED a version came to be; FINDING one claim was checked; ARTIFACT a stored form was made (its payload has
    ``artifact``, the name, and ``sha256``) or, with ``retired``, given up; DECISION what was concluded; ALIAS aliases
    moved; FOREIGN somebody moved one outside Seatrial; NOTE anything else worth keeping.
    """

    REGISTERED = "registered"
    FINDING = "finding"
    ARTIFACT = "artifact"
    DECISION = "decision"
    ALIAS = "alias"
    FOREIGN = "foreign"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class EntryDraft:
    """What somebody wants on record, checked so far that it can be written as it is.

    Raises:
        UsageError: the model name, version, actor or payload is impossible.
    """

    kind: EntryKind
    model: str
    version: int | None
    payload: Mapping[str, Any]
    actor: str

    def __post_init__(self) -> None:
        if self.kind not in tuple(EntryKind):
            raise UsageError(f"{self.kind!r} is no kind of ledger entry: use one of {', '.join(EntryKind)}.")
        if not isinstance(self.payload, Mapping):
            raise UsageError(f"A ledger entry's payload is a mapping, not a {type(self.payload).__name__}.")
        _check_model(self.model)
        check_version(self.version)
        _check_actor(self.actor)
        object.__setattr__(self, "kind", EntryKind(self.kind))
        object.__setattr__(self, "payload", json.loads(canonical_json(self.payload)))
        if self.kind is EntryKind.ARTIFACT and not all(
            isinstance(self.payload.get(key), str) for key in ("artifact", "sha256")
        ):
            raise UsageError("An artifact's ledger entry needs 'artifact' (its name) and 'sha256' in the payload.")

    def sealed(self, seq: int, at: datetime, previous_sha256: str) -> LedgerEntry:
        """The entry this becomes at a place in the chain."""
        entry = LedgerEntry(
            seq, at, self.actor, self.kind, self.model, self.version, self.payload, previous_sha256, sha256=""
        )
        return replace(entry, sha256=chain_sha256(entry.to_json()))


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One line of the record.

    Attributes:
        seq: its place, from 1 on without gaps.
        at: when it was written, UTC.
        actor: who caused it.
        model: name of the model it is about.
        version: the version it is about, None where it is about no single one.
        payload: its facts, JSON.
        previous_sha256: digest of the entry before it, 64 zeros for the first.
        sha256: digest over all the other fields.
    """

    seq: int
    at: datetime
    actor: str
    kind: EntryKind
    model: str
    version: int | None
    payload: Mapping[str, Any]
    previous_sha256: str
    sha256: str

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dictionary: what `chain_sha256` reads, and enough for anybody to check the chain without us."""
        return {
            "seq": self.seq,
            "at": moment_text(self.at),
            "actor": self.actor,
            "kind": self.kind.value,
            "model": self.model,
            "version": self.version,
            "payload": dict(self.payload),
            "previous_sha256": self.previous_sha256,
            "sha256": self.sha256,
        }


@dataclass(frozen=True, slots=True)
class LedgerHead:
    """The last entry's place and digest, to be noted where the ledger's owner cannot rewrite it.

    Attributes:
        seq: 0 for an empty ledger.
        sha256: `GENESIS_SHA256` for an empty ledger.
        signature: HMAC-SHA256 over ``seq:sha256``, None when it is not signed.
    """

    seq: int
    sha256: str
    signature: str | None = None

    def signed(self, key: bytes) -> LedgerHead:
        """The same head with its signature."""
        return replace(self, signature=self._signature(key))

    def is_signed_by(self, key: bytes) -> bool:
        """Whether the signature was made with this key; compared in constant time."""
        return self.signature is not None and hmac.compare_digest(
            self.signature.encode(), self._signature(key).encode()
        )

    def to_text(self) -> str:
        """``seq:sha256`` or ``seq:sha256:signature``."""
        return f"{self.seq}:{self.sha256}" + (f":{self.signature}" if self.signature else "")

    @classmethod
    def from_text(cls, text: str) -> LedgerHead:
        """The head that `to_text` wrote.

        Raises:
            UsageError: the text is no head.

        Example:
            >>> head = LedgerHead(0, GENESIS_SHA256).signed(b"a secret of the auditors")
            >>> LedgerHead.from_text(head.to_text()) == head
            True
        """
        match = _HEAD.fullmatch(text)
        if match is None:
            raise UsageError(f"{text[:200]!r} is no ledger head: write SEQ:SHA256 as the log shows it.")
        return cls(int(match[1]), match[2], match[3])

    def _signature(self, key: bytes) -> str:
        return hmac.new(key, f"{self.seq}:{self.sha256}".encode(), hashlib.sha256).hexdigest()


def chain_sha256(fields: Mapping[str, Any]) -> str:
    """The digest of an entry: sha256 over the canonical JSON of all its fields but the digest itself.

    Args:
        fields: as `LedgerEntry.to_json` gives them; a ``sha256`` among them is left out.

    Example:
        >>> chain_sha256({"seq": 1, "payload": {}}) == chain_sha256({"payload": {}, "seq": 1, "sha256": "ignored"})
        True
        >>> chain_sha256({"seq": 1})[:12]
        'b41e95c43f38'
    """
    document = canonical_json({key: value for key, value in fields.items() if key != "sha256"})
    return hashlib.sha256(document.encode("utf-8")).hexdigest()


def moment_text(moment: datetime) -> str:
    """A moment in UTC with microseconds, always of the same form.

    Raises:
        UsageError: the moment has no time zone.

    Example:
        >>> moment_text(datetime(2026, 3, 3, 12, tzinfo=UTC))
        '2026-03-03T12:00:00.000000+00:00'
    """
    if moment.tzinfo is None:
        raise UsageError(f"{moment} has no time zone: give one, such as UTC.")
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def check_version(version: object) -> None:
    """Raises UsageError for what is neither a positive number nor None."""
    if version is not None and (isinstance(version, bool) or not isinstance(version, int) or not 0 < version < 2**31):
        raise UsageError(f"{version!r} cannot be a version: use a positive number.")


def _check_model(model: object) -> None:
    if not isinstance(model, str):
        raise UsageError(f"{model!r} cannot be a model name: use text.")
    check_model_name(model)


def _check_actor(actor: object) -> None:
    if not isinstance(actor, str) or not 0 < len(actor) <= _ACTOR_CHARS or not actor.isprintable():
        raise UsageError(f"{actor!a:.80} cannot be an actor: use a name of 1 to {_ACTOR_CHARS} printable characters.")
