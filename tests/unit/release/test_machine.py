"""The release as a machine: whatever traffic comes, only legal steps; killed anywhere, it ends in the same place."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.domain.release import (
    Action,
    ArmCounters,
    Decision,
    GuardPlan,
    Phase,
    ReleaseCounters,
    ReleasePlan,
    ReleaseState,
    StepCounters,
    StepPlan,
)
from seatrial.release.decide import decide

PLAN = ReleasePlan(
    (StepPlan(5.0, 100, 400), StepPlan(25.0, 100, 400), StepPlan(50.0, 100, 400)), GuardPlan(), bake_s=20.0
)
LOOKS = st.lists(
    st.tuples(st.integers(0, 300), st.floats(0, 1), st.floats(0, 0.2), st.floats(0, 0.6), st.floats(-5, 30)),
    min_size=1,
    max_size=40,
)


def arm(before: ArmCounters, requests: int, ratio: float) -> ArmCounters:
    failed = round(requests * ratio)
    return ArmCounters(
        before.requests + requests, before.failed_requests + failed, before.units + requests, before.errors + failed
    )


class Life:
    """A release that is looked at again and again."""

    def __init__(self) -> None:
        self.state = ReleaseState("r", "m", 1, 2, "ann", PLAN.sha256)
        self.counters = ReleaseCounters((StepCounters(),))
        self.now_s = 0.0
        self.decisions: list[Decision] = []
        self.states = [self.state]

    def look(self, requests: int, skew: float, champion: float, challenger: float, elapsed_s: float) -> None:
        share = PLAN.steps[self.state.step].share_ratio
        routed = round(requests * (share if skew < 0.9 else skew))
        self.now_s += elapsed_s
        if self.state.phase is Phase.BAKING:
            bake = arm(self.counters.bake, requests, challenger)
            self.counters = ReleaseCounters(self.counters.steps, bake)
        else:
            last = self.counters.steps[-1]
            grown = StepCounters(
                arm(last.champion, requests - routed, champion), arm(last.challenger, routed, challenger)
            )
            self.counters = ReleaseCounters((*self.counters.steps[:-1], grown))
        decision = decide(PLAN, self.state, self.counters, self.now_s)
        self.state = self.state.after(decision, PLAN, self.now_s)
        self.decisions.append(decision)
        self.states.append(self.state)
        if decision.action is Action.ADVANCE and self.state.phase is Phase.RUNNING:
            self.counters = ReleaseCounters((*self.counters.steps, StepCounters()))

    def crash(self) -> None:
        """All that survives is what was stored."""
        stored = json.dumps([self.state.to_json(), self.counters.to_json()])
        state, counters = json.loads(stored)
        self.state, self.counters = ReleaseState.from_json(state), ReleaseCounters.from_json(counters)


@settings(max_examples=60, deadline=None)
@given(LOOKS, st.sets(st.integers(0, 39)))
def test_a_release_that_is_killed_ends_where_one_that_is_not_does(
    looks: list[tuple[int, float, float, float, float]], crashes: set[int]
) -> None:
    whole, broken = Life(), Life()
    for place, one in enumerate(looks):
        whole.look(*one)
        if place in crashes:
            broken.crash()
        broken.look(*one)
    assert whole.decisions == broken.decisions
    assert whole.state == broken.state


@settings(max_examples=60, deadline=None)
@given(LOOKS)
def test_only_legal_steps_are_taken(looks: list[tuple[int, float, float, float, float]]) -> None:
    life = Life()
    for one in looks:
        life.look(*one)
    for before, after, decision in zip(life.states, life.states[1:], life.decisions, strict=False):
        assert sum(percent for _, percent in after.split(PLAN).percents) == 100
        assert after.step - before.step in (0, 1)
        if before.phase.over:
            assert after == before
        if after.phase is Phase.ROLLED_BACK:
            assert before.phase is after.phase or decision.action is Action.ROLL_BACK
        if after.phase is Phase.BAKING and before.phase is Phase.RUNNING:
            assert before.step == len(PLAN.steps) - 1
            assert decision.action is Action.PROMOTE
        shares = [state.split(PLAN).percents[0][1] for state in (before, after)]
        assert shares[1] >= shares[0] or after.phase is Phase.ROLLED_BACK
        assert decision.reason
