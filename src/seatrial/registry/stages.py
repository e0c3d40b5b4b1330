"""How MLflow's stage field follows the aliases: the rule, as pure functions."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from seatrial.domain.model import Alias, Stage

__all__ = ["stage_moves", "stage_of"]

# The strongest role first: a version that has several shows the stage of the first of them.
_STAGE_OF = {
    Alias.PRODUCTION: Stage.PRODUCTION,
    Alias.STAGING: Stage.STAGING,
    Alias.PREVIOUS: Stage.ARCHIVED,
    Alias.CANDIDATE: Stage.NONE,
}
# Stages that belong to the one version with the alias; any number of versions may be archived or have no stage.
_EXCLUSIVE = (Alias.PRODUCTION, Alias.STAGING)


def stage_of(roles: Collection[Alias], current: Stage) -> Stage:
    """The stage of a version with these roles; one that loses its last role stays or becomes archived if it served.

    Example:
        >>> stage_of({Alias.CANDIDATE, Alias.STAGING}, Stage.NONE).value
        'Staging'
        >>> stage_of((), Stage.PRODUCTION).value, stage_of((), Stage.STAGING).value
        ('Archived', 'None')
    """
    for alias, stage in _STAGE_OF.items():
        if alias in roles:
            return stage
    return Stage.ARCHIVED if current in (Stage.PRODUCTION, Stage.ARCHIVED) else Stage.NONE


def stage_moves(
    alias: Alias, version: int | None, aliases: Mapping[Alias, int], stages: Mapping[int, Stage]
) -> dict[int, Stage]:
    """Which versions get which new stage when `alias` goes to `version`; the version itself comes first.

    Touched are the version, who had the alias before, and, for production and staging, whoever else is in that
    stage, also by somebody else's doing. First the new version moves, then the others: there is always one to find.

    Args:
        alias: the alias that moves.
        version: where it goes; None removes it.
        aliases: all aliases as they are before.
        stages: the stage of every version as it is before.

    Example:
        >>> now = {1: Stage.PRODUCTION, 2: Stage.NONE}
        >>> moves = stage_moves(Alias.PRODUCTION, 2, {Alias.PRODUCTION: 1}, now)
        >>> {number: stage.value for number, stage in moves.items()}
        {2: 'Production', 1: 'Archived'}
    """
    after = {role: number for role, number in aliases.items() if role is not alias}
    touched = {aliases[alias]} if alias in aliases else set()
    if version is not None:
        after[alias] = version
        touched.add(version)
    if alias in _EXCLUSIVE:
        touched |= {number for number, stage in stages.items() if stage is _STAGE_OF[alias]}
    moves = {
        number: stage_of([role for role, holder in after.items() if holder == number], stages[number])
        for number in sorted(touched & stages.keys(), key=lambda number: (number != version, number))
    }
    return {number: stage for number, stage in moves.items() if stage is not stages[number]}
