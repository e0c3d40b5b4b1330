"""Simulated traffic against what it claims to be."""

from __future__ import annotations

import numpy as np
import pytest

from seatrial.domain.errors import UsageError
from seatrial.domain.release import ReleasePlan, StepPlan
from seatrial.release.simulation import StickyUsers, world_for
from seatrial.release.traffic import Scenario, frozen_baseline

PLAN = ReleasePlan((StepPlan(25.0, 1_000, 20_000),))


@pytest.mark.parametrize("users", [1.0, 10.0])
def test_both_worlds_count_the_shares_they_were_given(users: float) -> None:
    scenario = Scenario(error_rise=3.0, slowdown=1.1, label_shift=0.5, heavy_users=users, error_ratio=0.02)
    baseline = frozen_baseline(scenario.traffic, 1)
    world = world_for(PLAN, scenario, baseline, 0.5, np.random.default_rng(0))
    world.begin_step()
    world.serve(20_000)
    step = world.counters().steps[0]
    assert step.challenger.requests / step.requests == pytest.approx(0.25, abs=0.04)
    for arm, errors, label in ((step.champion, 0.02, 0.4), (step.challenger, 0.06, 0.7)):
        assert arm.failed_requests / arm.requests == pytest.approx(errors, rel=0.35)
        if users == 1:
            assert arm.errors == arm.failed_requests
            assert arm.units == arm.requests
            assert arm.slow[0] / arm.requests == pytest.approx(0.48, abs=0.03)  # as fast as tolerated: both alike
            assert arm.classes[0] / sum(arm.classes) == pytest.approx(label, abs=0.03)
        else:
            assert arm.errors < arm.failed_requests
            assert arm.units < arm.requests


def test_an_outage_hits_both_versions_for_a_tenth_of_the_step() -> None:
    world = world_for(PLAN, Scenario(outage=0.5), frozen_baseline(Scenario().traffic, 1), 0.0, np.random.default_rng(0))
    world.begin_step()
    for _ in range(100):
        world.serve(200)
    step = world.counters().steps[0]
    for arm in (step.champion, step.challenger):
        assert arm.failed_requests / arm.requests == pytest.approx(0.059, abs=0.015)


def test_every_event_of_a_user_can_be_counted_to_show_the_mistake() -> None:
    scenario = Scenario(heavy_users=10.0)
    world = StickyUsers(
        PLAN, scenario, frozen_baseline(scenario.traffic, 1), np.random.default_rng(0), first_only=False
    )
    world.begin_step()
    world.serve(5_000)
    arm = world.counters().steps[0].champion
    assert arm.errors == arm.failed_requests


@pytest.mark.parametrize(
    ("text", "reason"),
    [("slow=1", "NAME=VALUE"), ("slowdown", "NAME=VALUE"), ("slowdown=fast", "number"), ("outage=2", "impossible"),
     ("slowdown=nan", "impossible")],
)  # fmt: skip
def test_a_scenario_that_is_none_is_refused(text: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        Scenario.parse([text])


def test_scenarios_add_up() -> None:
    assert Scenario.parse(["error-rise=2", "heavy-users=5"]) == Scenario(error_rise=2.0, heavy_users=5.0)
