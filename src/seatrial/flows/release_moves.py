"""Which aliases move with a decision about a release, and how traffic is split by what is on record."""

from __future__ import annotations

from collections.abc import Mapping

from seatrial.domain.model import Alias
from seatrial.domain.release import Action, Phase, ReleaseState, TrafficSplit
from seatrial.domain.release_plan import FULL_PERCENT
from seatrial.store.experiments import ExperimentRecord
from seatrial.store.releases import ReleaseRecord

__all__ = ["moves_with", "wanted_split", "whole_traffic"]


def moves_with(action: Action, state: ReleaseState, aliases: Mapping[Alias, int]) -> dict[Alias, int | None]:
    """The moves of a decision about a release.

    Args:
        state: before the decision.
        aliases: as they are.

    Returns:
        Empty where nothing moves: aliases change at the full rollout and at a rollback, not with each step.

    Example:
        >>> state = ReleaseState("r-1", "m", 1, 2, "ann", "abc")
        >>> moves = moves_with(Action.PROMOTE, state, {Alias.PRODUCTION: 1, Alias.CANDIDATE: 2})
        >>> {alias.value: version for alias, version in moves.items()}
        {'production': 2, 'previous': 1, 'candidate': None}
    """
    if action not in (Action.PROMOTE, Action.ROLL_BACK):
        return {}
    moves: dict[Alias, int | None] = {}
    if action is Action.PROMOTE:
        moves = {Alias.PRODUCTION: state.challenger, Alias.PREVIOUS: state.champion}
    elif state.phase is Phase.BAKING:
        moves = {Alias.PRODUCTION: state.champion, Alias.PREVIOUS: None}
    waiting = (Alias.CANDIDATE, Alias.STAGING)
    return moves | {alias: None for alias in waiting if aliases.get(alias) == state.challenger}


def whole_traffic(model: str, version: int, salt: str) -> TrafficSplit:
    """All of a model's traffic to one version."""
    return TrafficSplit(model, ((version, FULL_PERCENT),), salt)


def wanted_split(
    production: int | None, release: ReleaseRecord | None, experiment: ExperimentRecord | None
) -> TrafficSplit | None:
    """How a model's traffic is to be split: by its running release, else by its running experiment, else not at all.

    Args:
        production: the version in production.
        release: the latest one of the model.
        experiment: likewise.

    Returns:
        None where nothing is known that could be served.
    """
    if release is not None and not release.state.phase.over:
        return release.state.split(release.plan)
    if experiment is not None and not experiment.over:
        return experiment.assignment.split()
    if production is None:
        return None
    if release is not None:
        return whole_traffic(release.state.model, production, release.state.release)
    return None if experiment is None else whole_traffic(experiment.plan.model, production, experiment.plan.experiment)
