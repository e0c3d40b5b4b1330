from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from seatrial.domain.model import Alias, Stage
from seatrial.registry.stages import stage_moves, stage_of

VERSIONS = (1, 2, 3, 4)
MOVES = st.tuples(st.sampled_from(Alias), st.none() | st.sampled_from(VERSIONS))


def moved(
    alias: Alias, version: int | None, aliases: dict[Alias, int], stages: dict[int, Stage]
) -> tuple[dict[Alias, int], dict[int, Stage]]:
    stages = stages | stage_moves(alias, version, aliases, stages)
    aliases = {role: number for role, number in aliases.items() if role is not alias}
    return (aliases if version is None else aliases | {alias: version}), stages


@given(st.lists(MOVES))
def test_active_stages_are_those_of_their_aliases_alone(moves: list[tuple[Alias, int | None]]) -> None:
    aliases: dict[Alias, int] = {}
    stages = dict.fromkeys(VERSIONS, Stage.NONE)
    for alias, version in moves:
        aliases, stages = moved(alias, version, aliases, stages)
        held = {stage: [n for n in VERSIONS if stages[n] is stage] for stage in Stage}
        production, staging = aliases.get(Alias.PRODUCTION), aliases.get(Alias.STAGING)
        assert held[Stage.PRODUCTION] == [n for n in (production,) if n is not None]
        assert held[Stage.STAGING] == [n for n in (staging,) if n is not None and n != production]
        assert stage_moves(alias, version, aliases, stages) == {}


@given(st.lists(MOVES), st.dictionaries(st.sampled_from(VERSIONS), st.sampled_from(Stage)), st.sampled_from(VERSIONS))
def test_a_foreign_stage_does_not_outlast_the_alias_move(
    moves: list[tuple[Alias, int | None]], foreign: dict[int, Stage], version: int
) -> None:
    aliases: dict[Alias, int] = {}
    stages = dict.fromkeys(VERSIONS, Stage.NONE)
    for alias, number in moves:
        aliases, stages = moved(alias, number, aliases, stages)
    _, stages = moved(Alias.PRODUCTION, version, aliases, stages | foreign)
    assert [n for n in VERSIONS if stages[n] is Stage.PRODUCTION] == [version]


def test_removing_an_alias_ends_a_foreign_stage_too() -> None:
    assert stage_moves(Alias.STAGING, None, {}, {1: Stage.STAGING, 2: Stage.PRODUCTION}) == {1: Stage.NONE}


def test_the_promoted_version_moves_first_so_that_there_is_always_one_in_production() -> None:
    stages = {1: Stage.PRODUCTION, 2: Stage.PRODUCTION, 3: Stage.NONE}
    assert list(stage_moves(Alias.PRODUCTION, 3, {Alias.PRODUCTION: 1}, stages)) == [3, 1, 2]


def test_an_archived_version_stays_so_without_a_role() -> None:
    assert stage_of((), Stage.ARCHIVED) is Stage.ARCHIVED
    assert stage_of({Alias.CANDIDATE}, Stage.ARCHIVED) is Stage.NONE
