"""What follows the record: the registry's aliases, stages and head tag, and the aliases of the bundle index.

The store is the truth: alias intents and their ledger entry commit together; then the others follow, idempotently, and
are reconciled whenever a flow starts. A move that somebody made outside Seatrial goes on record as foreign and is taken
back, unless the settings adopt it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seatrial.domain.errors import UnknownModelError
from seatrial.domain.evidence import Finding
from seatrial.domain.model import Alias, Stage
from seatrial.store.ledger import EntryDraft, EntryKind
from seatrial.wiring.workshop import Workshop

__all__ = ["HEAD_TAG", "ForeignMove", "anchor", "foreign_moves", "move", "note_foreign", "reconcile"]

HEAD_TAG = "seatrial.ledger_head"
"""Tag of the registered model that holds the ledger's head: a place the ledger's owner cannot rewrite alone."""

_STAGE_OF = {Alias.PRODUCTION: Stage.PRODUCTION, Alias.STAGING: Stage.STAGING}
"""Stages that say who is served; None and Archived do not."""
_ALIAS_OF = {stage.value: alias for alias, stage in _STAGE_OF.items()} | {alias.value: alias for alias in Alias}
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


def move(
    workshop: Workshop, model: str, moves: Mapping[Alias, int | None], reason: str, findings: Sequence[Finding]
) -> None:
    """Decides where aliases belong, intent and ledger entry in one transaction; then everything else follows."""
    entry = workshop.store.move_aliases(model, moves, actor=workshop.actor, reason=reason, findings=findings)
    if entry is not None:
        _follow(workshop, model)


def anchor(workshop: Workshop, model: str) -> None:
    """Writes the ledger's head where its owner cannot rewrite it alone: a tag in the registry (and the log)."""
    head = workshop.store.head()
    if head.seq:
        workshop.registry.set_tag(model, HEAD_TAG, head.to_text())


def reconcile(workshop: Workshop, model: str) -> list[ForeignMove]:
    """Makes registry and index follow the store; foreign moves go on record first and are then undone or adopted."""
    moves = foreign_moves(workshop, model)
    for foreign in moves:
        note_foreign(workshop, model, foreign)
    adopted = _adoptable(workshop, model, moves)
    if adopted:
        move(workshop, model, adopted, "Adopted a move made outside Seatrial (registry.adopt_foreign_moves).", ())
    elif moves or workshop.store.pending(model):
        _follow(workshop, model)
    _settle_foreign(workshop, model)
    return moves


def foreign_moves(workshop: Workshop, model: str) -> list[ForeignMove]:
    """Aliases and stages of the registry that differ from the record; none while a move of our own is under way."""
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
        holders = {number for number, held in stages.items() if held is stage}
        strangers = sorted(holders - {ours.get(alias)})
        if strangers or (alias in ours and not holders):
            moves.append(ForeignMove("stage", stage.value, ours.get(alias), strangers[0] if strangers else None))
    return moves


def note_foreign(workshop: Workshop, model: str, foreign: ForeignMove) -> None:
    """Puts a foreign move on record, unless the last entry about its role says the same already."""
    draft = EntryDraft(EntryKind.FOREIGN, model, None, foreign.to_json(), workshop.actor)
    if workshop.store.append_once(draft, "role") is not None:
        _log.warning("foreign move", extra={"model": model, **foreign.to_json()})


def _adoptable(workshop: Workshop, model: str, moves: Sequence[ForeignMove]) -> dict[Alias, int | None]:
    """Where aliases go if the settings adopt foreign moves: only to versions Seatrial registered, or away."""
    if not moves or not workshop.settings.registry.adopt_foreign_moves:
        return {}
    known = {None, *(version.version for version in workshop.registry.list_versions(model))}
    stages_first = sorted(moves, key=lambda foreign: foreign.what == "alias")  # where both moved, the alias counts
    return {_ALIAS_OF[foreign.role]: foreign.theirs for foreign in stages_first if foreign.theirs in known}


def _follow(workshop: Workshop, model: str) -> None:
    """Makes registry and index what the record says, and then notes that they are."""
    pending, aliases = workshop.store.pending(model), workshop.store.aliases(model)
    for alias in Alias:
        if alias in aliases:
            workshop.registry.set_alias(model, alias, aliases[alias])
        else:
            workshop.registry.delete_alias(model, alias)
    workshop.index.set_aliases(model, {alias.value: number for alias, number in aliases.items()})
    if pending:
        workshop.store.mark_applied(model, max(intent.seq for intent in pending))


def _settle_foreign(workshop: Workshop, model: str) -> None:
    """Closes foreign moves on record, now that registry and record agree: the same move made again is then news."""
    latest = {entry.payload["role"]: entry.payload for entry in workshop.store.entries(model, kind=EntryKind.FOREIGN)}
    aliases = workshop.store.aliases(model)
    for role, payload in latest.items():
        if "settled" not in payload:
            how = "adopted" if aliases.get(_ALIAS_OF[role]) == payload["theirs"] else "taken back"
            workshop.store.append(EntryKind.FOREIGN, model, None, {**payload, "settled": how}, workshop.actor)
