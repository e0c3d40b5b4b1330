"""Steps, bake and mirrored requests of a tally, and one that goes on after a restart."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.domain.release_counters import Arm, ArmCounters, FrozenBaseline, ReleaseCounters
from seatrial.domain.release_tally import ReleaseTally, Served
from seatrial.domain.traffic import TrafficSplit

BASELINE = FrozenBaseline((0.1, 0.2), (0.11, 0.22), ("negative", "positive"))
GROWING = [TrafficSplit("m", ((2, percent), (1, 100 - percent)), "r") for percent in (1.0, 10.0, 50.0, 99.0)]


def tally(steps: int = 1, **limits: int) -> ReleaseTally:
    one = ReleaseTally(BASELINE, **limits)
    for _ in range(steps):
        one.begin_step()
    return one


def test_a_request_counts_in_the_step_where_it_was_routed_however_late_it_ends() -> None:
    counting = tally(2)
    counting.count(Served(Arm.CHALLENGER, "ann", failed=False, latency_s=0.05), 1)
    counting.count(Served(Arm.CHAMPION, "ann", failed=True, latency_s=0.05), 0)
    first, second = counting.counters().steps
    assert (first.champion.requests, first.champion.units, first.champion.errors) == (1, 1, 1)
    assert (second.challenger.requests, second.challenger.units) == (1, 1)
    with pytest.raises(IndexError):
        counting.count(Served(Arm.CHAMPION, None, failed=False, latency_s=0.05), 2)


def test_the_bake_counts_the_first_event_of_those_who_had_none_before() -> None:
    counting = tally()
    counting.count(Served(Arm.CHALLENGER, "ann", failed=True, latency_s=0.05))
    for unit in ("ann", "bob", "bob"):
        counting.count_baked(Served(Arm.CHALLENGER, unit, failed=True, latency_s=0.05))
    bake = counting.counters().bake
    assert (bake.requests, bake.failed_requests, bake.units, bake.errors) == (3, 3, 2, 1)
    assert counting.counters().steps[0].challenger.requests == 1


def test_a_unit_is_compared_once_and_a_request_without_unit_always() -> None:
    counting = tally(2)
    counting.count_mirrored("ann", disagreed=False, step=0)
    counting.count_mirrored("ann", disagreed=True, step=1)
    for _ in range(2):
        counting.count_mirrored(None, disagreed=True, step=1)
    first, second = counting.counters().steps
    assert (first.mirrored, first.disagreements) == (1, 0)
    assert (second.mirrored, second.disagreements) == (2, 2)


def test_comparing_a_unit_does_not_make_it_known_as_one_that_was_served() -> None:
    counting = tally()
    counting.count_mirrored("ann", disagreed=True, step=0)
    counting.count(Served(Arm.CHAMPION, "ann", failed=True, latency_s=0.05))
    assert counting.counters().steps[0].champion.units == 1
    assert counting.counters().steps[0].champion.errors == 1


def test_a_full_memory_compares_nobody_new() -> None:
    counting = tally(max_units=1)
    for unit in ("ann", "bob"):
        counting.count_mirrored(unit, disagreed=True, step=0)
    assert counting.counters().steps[0].mirrored == 1


EVENTS = st.tuples(
    st.sampled_from([None, "ann", "bob", "cid"]), st.integers(0, 3), st.booleans(), st.sampled_from([0.05, 0.15, 0.3]),
    st.sampled_from([(), ("positive",), ("negative", "positive")]), st.sampled_from(["serve", "bake", "mirror"]),
)  # fmt: skip


def play(counting: ReleaseTally, event: tuple[Any, ...]) -> None:
    unit, step, failed, latency_s, labels, kind = event
    version = GROWING[step].version_of(unit or "")
    served = Served(Arm.CHALLENGER if version == 2 else Arm.CHAMPION, unit, failed, latency_s, labels)
    if kind == "serve":
        counting.count(served, step)
    elif kind == "bake":
        counting.count_baked(served)
    else:
        counting.count_mirrored(unit, failed, step)


@given(st.lists(EVENTS, max_size=40), st.integers(0, 40))
def test_a_restart_at_any_moment_changes_no_counter(events: list[tuple[Any, ...]], at: int) -> None:
    through, units, counters = tally(4), dict[int, tuple[int, int]](), ReleaseCounters()
    for index, event in enumerate(events):
        play(through, event)
        if index == at // 2 or index == at:
            changes = through.changes()
            units.update(changes.units)
            counters = changes.counters
    if at < len(events):
        restarted = ReleaseTally.restored(BASELINE, counters, units)
        for event in events[at + 1 :]:
            play(restarted, event)
        assert restarted.counters() == through.counters()
        assert dict(restarted.changes(whole=True).units) == dict(through.changes(whole=True).units)


@given(st.lists(EVENTS, max_size=60))
def test_every_request_is_counted_once_and_no_event_of_a_unit_twice(events: list[tuple[Any, ...]]) -> None:
    counting = tally(4)
    for event in events:
        play(counting, event)
    counters = counting.counters()
    arms = [arm for step in counters.steps for arm in (step.champion, step.challenger)]
    assert sum(arm.requests for arm in arms) == sum(event[-1] == "serve" for event in events)
    assert counters.bake.requests == sum(event[-1] == "bake" for event in events)
    named = {event[0] for event in events if event[0]}
    alone = sum(event[0] is None for event in events)
    assert sum(arm.errors for arm in (*arms, counters.bake)) <= len(named) + alone
    assert all(sum(arm.slow[place] for arm in arms) <= len(named) + alone for place in (0, 1))


def test_nothing_has_changed_since_it_was_last_asked() -> None:
    counting = tally()
    counting.count(Served(Arm.CHAMPION, "ann", failed=False, latency_s=0.05))
    assert len(counting.changes().units) == 1
    assert counting.changes().units == {}
    assert counting.counters().steps[0].champion == ArmCounters(1, 0, 1, 0, (0, 0), (0, 0))
