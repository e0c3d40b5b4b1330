"""What is counted: the first event of a unit in the whole release, and no other."""

from __future__ import annotations

import pytest

from seatrial.domain.release import (
    Arm,
    ArmCounters,
    FrozenBaseline,
    ReleaseCounters,
    ReleaseTally,
    Served,
    StepCounters,
)

BASELINE = FrozenBaseline((0.1, 0.2), (0.11, 0.22), ("negative", "positive"))


def tally() -> ReleaseTally:
    one = ReleaseTally(BASELINE)
    one.begin_step()
    return one


def served(
    unit: str | None, arm: Arm = Arm.CHAMPION, latency_s: float = 0.05, *labels: str, failed: bool = False
) -> Served:
    return Served(arm, unit, failed, latency_s, labels)


def test_each_counter_takes_the_first_event_of_a_unit_where_it_happened() -> None:
    counting = tally()
    counting.count(served("ann", failed=True))
    counting.count(served("ann", failed=True, latency_s=0.15))
    counting.begin_step()
    counting.count(served("ann", Arm.CHALLENGER, 0.3, "positive", failed=True))
    first, second = counting.counters().steps
    assert first.champion == ArmCounters(2, 2, 1, 1, (1, 0), (0, 0))
    assert second.challenger == ArmCounters(1, 1, 1, 0, (0, 1), (0, 1))
    assert second.champion == ArmCounters(0, 0, 0, 0, (0, 0), (0, 0))


def test_without_a_unit_every_request_counts() -> None:
    counting = tally()
    for _ in range(3):
        counting.count(served(None, Arm.CHALLENGER, 0.3, "negative", failed=True))
    assert counting.counters().steps[0].challenger == ArmCounters(3, 3, 3, 3, (3, 3), (3, 0))


@pytest.mark.parametrize(
    ("arm", "latency_s", "slow"),
    [
        (Arm.CHAMPION, 0.1, (0, 0)),  # not over the threshold: at it
        (Arm.CHAMPION, 0.101, (1, 0)),
        (Arm.CHALLENGER, 0.11, (0, 0)),  # tolerated
        (Arm.CHALLENGER, 0.12, (1, 0)),
        (Arm.CHALLENGER, 9.0, (1, 1)),
    ],
)
def test_the_challenger_is_held_against_its_own_thresholds(arm: Arm, latency_s: float, slow: tuple[int, int]) -> None:
    counting = tally()
    counting.count(served(None, arm, latency_s))
    step = counting.counters().steps[0]
    assert (step.challenger if arm is Arm.CHALLENGER else step.champion).slow == slow


def test_a_unit_is_new_in_each_step_once() -> None:
    counting = tally()
    for _ in range(2):
        counting.count(served("ann"))
        counting.count(served("bob"))
    counting.begin_step()
    counting.count(served("ann"))
    assert [step.champion.units for step in counting.counters().steps] == [2, 1]


def test_the_memory_is_bounded_and_who_does_not_fit_adds_no_event() -> None:
    counting = ReleaseTally(BASELINE, max_units=2)
    counting.begin_step()
    for unit in ("ann", "bob", "cid", "cid"):
        counting.count(served(unit, failed=True))
    arm = counting.counters().steps[0].champion
    assert (arm.requests, arm.failed_requests, arm.units, arm.errors) == (4, 4, 2, 2)
    assert counting.unknown_units == 2


def test_a_class_nobody_announced_and_half_a_surrogate_pair_are_no_fault() -> None:
    counting = tally()
    counting.count(served("\ud800", Arm.CHAMPION, 0.05, "neutral"))
    assert counting.counters().steps[0].champion.classes == (0, 0)


def test_counters_survive_json() -> None:
    arm = ArmCounters(9, 3, 8, 2, (4, 1), (5, 3))
    counters = ReleaseCounters((StepCounters(arm, ArmCounters(), 5, 1),), arm)
    assert ReleaseCounters.from_json(counters.to_json()) == counters


def test_thresholds_come_in_pairs() -> None:
    with pytest.raises(ValueError, match="Each threshold"):
        FrozenBaseline((0.1,), (), ())
