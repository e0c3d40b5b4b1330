"""What goes on record, and what follows from it.

The store is the truth: alias intents and their ledger entry commit together; then the registry's aliases and stages
and the bundle index follow, idempotently, and are reconciled whenever a flow starts. A move that somebody made
outside Seatrial goes on record as foreign and is taken back, unless the settings adopt it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seatrial.bundle import Bundle
from seatrial.domain.errors import UnknownModelError
from seatrial.domain.evidence import Finding
from seatrial.domain.model import Alias, Lineage, ModelVersion, Stage
from seatrial.domain.release import Action, Decision
from seatrial.store.ledger import EntryKind
from seatrial.wiring.workshop import Workshop

__all__ = [
    "HEAD_TAG",
    "ForeignMove",
    "anchor",
    "artifact_made",
    "decided",
    "foreign_moves",
    "found",
    "nominate",
    "note_foreign",
    "production_source",
    "reconcile",
    "registered",
    "source_of",
]

HEAD_TAG = "seatrial.ledger_head"
"""Tag of the registered model that holds the ledger's head: a place the ledger's owner cannot rewrite alone."""

_STAGE_OF = {Alias.PRODUCTION: Stage.PRODUCTION, Alias.STAGING: Stage.STAGING}
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ForeignMove:
    """An alias or stage in the registry that is not what the store decided.

    Attributes:
        what: ``alias`` or ``stage``.
        role: the alias, or the stage's name.
        ours: the version the store gives the role, None for none.
        theirs: the version the registry gives it, None for none.
    """

    what: str
    role: str
    ours: int | None
    theirs: int | None

    def to_json(self) -> dict[str, Any]:
        """The payload of its ledger entry."""
        return {"what": self.what, "role": self.role, "ours": self.ours, "theirs": self.theirs}

    @property
    def sentence(self) -> str:
        """What happened, for people."""
        ours = "no version" if self.ours is None else f"version {self.ours}"
        theirs = "no version" if self.theirs is None else f"version {self.theirs}"
        return f"The registry's {self.what} {self.role!r} is at {theirs}; the record says {ours}."


def registered(workshop: Workshop, version: ModelVersion, source: Bundle, lineage: Lineage) -> None:
    """Records a version's registration once."""
    _append_once(
        workshop,
        EntryKind.REGISTERED,
        version,
        {
            "lineage": lineage.to_json(),
            "source_sha256": source.manifest.artifact.sha256,
            "source_uri": workshop.registry.source_uri(version),
        },
    )


def found(workshop: Workshop, version: ModelVersion, findings: Sequence[Finding]) -> None:
    """Records findings about a version or its artifacts; the same findings again add nothing."""
    workshop.store.record_findings(version.name, version.version, findings, actor=workshop.actor)


def artifact_made(workshop: Workshop, version: ModelVersion, bundle: Bundle) -> None:
    """Records an artifact's digests and its findings, and enters it in the index and the registry."""
    manifest = bundle.manifest
    _append_once(
        workshop,
        EntryKind.ARTIFACT,
        version,
        {
            "artifact": manifest.artifact.name,
            "sha256": manifest.artifact.sha256,
            "manifest_sha256": manifest.to_json()["manifest_sha256"],
            "derived_from": manifest.artifact.derived_from,
            "servable": manifest.servable,
        },
    )
    found(workshop, version, manifest.findings)
    workshop.index.add(bundle)
    workshop.registry.add_bundle(version, bundle.directory)


def nominate(workshop: Workshop, version: ModelVersion, findings: Sequence[Finding]) -> None:
    """Makes a version the candidate, unless it has been released already."""
    roles = {alias for alias, number in workshop.store.aliases(version.name).items() if number == version.version}
    if roles & {Alias.PRODUCTION, Alias.PREVIOUS, Alias.STAGING}:
        return
    _move(workshop, version.name, {Alias.CANDIDATE: version.version}, "Evaluation passes.", findings)


def decided(workshop: Workshop, version: ModelVersion, decision: Decision) -> None:
    """Carries out a decision about a version and records it with its findings; logs it in one line."""
    if decision.action is Action.PROMOTE:
        current = workshop.store.aliases(version.name)
        moves: dict[Alias, int | None] = {Alias.PRODUCTION: version.version}
        if current.get(Alias.CANDIDATE) == version.version:
            moves[Alias.CANDIDATE] = None
        _move(workshop, version.name, moves, decision.reason, decision.findings)
    else:
        payload = {"action": decision.action.value, "subject": decision.subject, "reason": decision.reason}
        _append_once(workshop, EntryKind.DECISION, version, payload)
    _log.info(
        "decision",
        extra={"action": decision.action.value, "subject": decision.subject, "reason": decision.reason},
    )


def anchor(workshop: Workshop, model: str) -> None:
    """Writes the ledger's head where its owner cannot rewrite it alone: a tag in the registry (and the log)."""
    head = workshop.store.head()
    if head.seq:
        workshop.registry.set_tag(model, HEAD_TAG, head.to_text())


def production_source(workshop: Workshop, model: str) -> Bundle | None:
    """The source bundle of the version in production, fetched if need be; None where there is none."""
    number = workshop.store.aliases(model).get(Alias.PRODUCTION)
    if number is None:
        return None
    return source_of(workshop, workshop.registry.get_version(model, number))


def source_of(workshop: Workshop, version: ModelVersion) -> Bundle:
    """A version's source bundle in the local cache, fetched from the registry the first time."""
    directory = workshop.settings.cache_dir / "sources" / version.name / str(version.version)
    if (directory / "manifest.json").exists():
        return Bundle.open(directory)
    return Bundle.open(workshop.registry.fetch_bundle(version, "source", directory))


def foreign_moves(workshop: Workshop, model: str) -> list[ForeignMove]:
    """Aliases and stages of the registry that differ from the record, moves still under way excepted."""
    if workshop.store.pending(model):
        return []
    try:
        theirs, stages = workshop.registry.aliases(model), workshop.registry.stages(model)
    except UnknownModelError:
        return []
    ours = workshop.store.aliases(model)
    moves = [
        ForeignMove("alias", alias.value, ours.get(alias), theirs.get(alias))
        for alias in Alias
        if ours.get(alias) != theirs.get(alias)
    ]
    for alias, stage in _STAGE_OF.items() if stages else ():
        holders = sorted(number for number, held in stages.items() if held is stage)
        expected = [ours[alias]] if alias in ours else []
        strangers = [number for number in holders if number not in expected]
        if strangers or holders != expected:
            moves.append(ForeignMove("stage", stage.value, ours.get(alias), next(iter(strangers or holders), None)))
    return moves


def note_foreign(workshop: Workshop, model: str, foreign: ForeignMove) -> None:
    """Puts a foreign move on record, unless the last entry about its role says the same already."""
    last = [
        e for e in workshop.store.entries(model) if e.kind is EntryKind.FOREIGN and e.payload["role"] == foreign.role
    ]
    if last and dict(last[-1].payload) == foreign.to_json():
        return
    _append_foreign(workshop, model, foreign.to_json(), foreign.theirs)
    _log.warning("foreign move", extra={"model": model, **foreign.to_json()})


def reconcile(workshop: Workshop, model: str) -> list[ForeignMove]:
    """Makes registry and index follow the store; foreign moves go on record first and are then undone or adopted."""
    moves = foreign_moves(workshop, model)
    for foreign in moves:
        note_foreign(workshop, model, foreign)
    adoptable = {Alias(m.role): m.theirs for m in moves if m.what == "alias"}
    if adoptable and workshop.settings.registry.adopt_foreign_moves:
        _move(workshop, model, adoptable, "Adopted a move made outside Seatrial (registry.adopt_foreign_moves).", ())
    elif moves:
        _follow(workshop, model, workshop.store.aliases(model))
        for foreign in moves:  # so that the same move made again goes on record again
            _append_foreign(workshop, model, {**foreign.to_json(), "taken_back": True}, foreign.theirs)
    else:
        pending = workshop.store.pending(model)
        if pending:
            _follow(workshop, model, workshop.store.aliases(model))
            workshop.store.mark_applied(model, max(intent.seq for intent in pending))
    return moves


def _move(
    workshop: Workshop, model: str, moves: Mapping[Alias, int | None], reason: str, findings: Sequence[Finding]
) -> None:
    """Intent and ledger entry in one transaction, then everything else follows."""
    entry = workshop.store.move_aliases(model, moves, actor=workshop.actor, reason=reason, findings=findings)
    if entry is None:
        return
    _follow(workshop, model, workshop.store.aliases(model))
    workshop.store.mark_applied(model, entry.seq)
    anchor(workshop, model)


def _follow(workshop: Workshop, model: str, aliases: Mapping[Alias, int]) -> None:
    for alias in Alias:
        if alias in aliases:
            workshop.registry.set_alias(model, alias, aliases[alias])
        else:
            workshop.registry.delete_alias(model, alias)
    workshop.index.set_aliases(model, {alias.value: number for alias, number in aliases.items()})


def _append_once(workshop: Workshop, kind: EntryKind, version: ModelVersion, payload: Mapping[str, Any]) -> None:
    """Appends an entry unless the version's last entry of that kind and key says the same."""
    for entry in workshop.store.entries(version.name):
        if entry.kind is kind and entry.version == version.version and dict(entry.payload) == dict(payload):
            return
    workshop.store.append(kind, model=version.name, version=version.version, payload=payload, actor=workshop.actor)


def _append_foreign(workshop: Workshop, model: str, payload: Mapping[str, Any], version: int | None) -> None:
    workshop.store.append(EntryKind.FOREIGN, model=model, version=version, payload=payload, actor=workshop.actor)
