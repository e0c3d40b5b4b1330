"""The rules that form batches: nothing lost, order kept, bounds held, nobody harmed by who leaves."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.serving.batching import (
    Batch,
    BatchPolicy,
    DrainRate,
    Line,
    Queued,
    Slice,
    deserves_all_cores,
    next_batch,
    padding_ratio,
)

NOW_S = 100.0
policies = st.builds(BatchPolicy, max_texts=st.integers(1, 9), workers=st.integers(1, 4), max_tokens=st.integers(1, 40))


def queued(variant: str, lengths: Sequence[int], deadline_s: float, priority: int) -> Queued:
    offsets = [0, *itertools.accumulate(lengths)]
    return Queued(variant, len(lengths), deadline_s, offsets, priority)


callers = st.lists(
    st.builds(
        queued,
        variant=st.sampled_from("ab"),
        lengths=st.lists(st.integers(1, 50), min_size=1, max_size=20),
        deadline_s=st.sampled_from([99.0, 101.0]),
        priority=st.sampled_from([0, 0, 1]),
    ),
    max_size=25,
)


def line_of(waiting: Sequence[Queued]) -> Line[Queued]:
    line: Line[Queued] = Line()
    for caller in waiting:
        line.add(caller)
    return line


@settings(deadline=None)
@given(callers, policies, st.data())
def test_every_waiting_text_is_taken_once_and_in_order_whoever_leaves(
    waiting: list[Queued], policy: BatchPolicy, data: st.DataObject
) -> None:
    line, taken = line_of(waiting), {caller: list[int]() for caller in waiting}
    gone: set[Queued] = set()
    while batch := next_batch(line, NOW_S, policy):
        line.take(batch)
        for part in batch.slices:
            taken[part.caller] += range(part.start, part.stop)
        if data.draw(st.booleans()):
            leaver = data.draw(st.sampled_from(waiting))
            gone.add(leaver)
            line.leave(leaver)
    for caller in waiting:
        if caller.deadline_s <= NOW_S:
            assert taken[caller] == []
        elif caller in gone:
            assert taken[caller] == list(range(len(taken[caller])))
        else:
            assert taken[caller] == list(range(caller.texts))
    assert line.texts == sum(caller.remaining for caller in line)


@settings(deadline=None)
@given(callers, policies, st.integers(0, 20))
def test_a_batch_is_of_one_variant_and_priority_within_its_bounds_and_starts_with_the_first(
    waiting: list[Queued], policy: BatchPolicy, running_texts: int
) -> None:
    line = line_of(waiting)
    while batch := next_batch(line, NOW_S, policy, running_texts):
        served = [part.caller for part in batch.slices]
        assert 0 < batch.texts <= min(policy.max_texts, math.ceil((line.texts + running_texts) / policy.workers))
        assert sum(batch.lengths) <= policy.max_tokens or batch.texts == 1
        assert len({caller.variant for caller in served}) == 1
        alive = [caller for caller in line if caller.deadline_s > NOW_S]
        most_urgent = min(caller.priority for caller in alive)
        assert {caller.priority for caller in served} == {most_urgent}
        assert served[0] is alive[0]
        assert (
            served == [c for c in alive if (c.variant, c.priority) == (served[0].variant, most_urgent)][: len(served)]
        )
        line.take(batch)


@settings(deadline=None)
@given(callers, policies, st.data())
def test_nobody_has_a_second_turn_before_each_that_waited_has_had_one(
    waiting: list[Queued], policy: BatchPolicy, data: st.DataObject
) -> None:
    """The rule of fairness: neither a large request nor the many small ones that keep coming starve the other."""
    waiting = [caller for caller in waiting if caller.deadline_s > NOW_S and caller.priority == 0]
    line = line_of(waiting)
    owed: dict[Queued, set[Queued]] = {}  # by caller: who waited when it last began a batch
    while batch := next_batch(line, NOW_S, policy):
        first = batch.slices[0].caller
        line.take(batch)
        assert not {c for c in owed.get(first, set()) if c.remaining and c in set(line)}, "served twice before them"
        for others in owed.values():
            others.difference_update(part.caller for part in batch.slices)
        owed[first] = set(line) - {first}
        if len(waiting) < 40 and data.draw(st.booleans()):
            newcomer = Queued("a", 1, 200.0)
            waiting.append(newcomer)
            line.add(newcomer)


def test_nobody_waits_for_nothing() -> None:
    assert next_batch(line_of([]), NOW_S, BatchPolicy(8, 2)) is None


def test_a_small_request_waits_for_one_batch_of_a_large_one_and_not_for_all_of_it() -> None:
    large, small = Queued("a", 1000, 200.0), Queued("a", 1, 200.0)
    line = line_of([large, small])
    first = next_batch(line, NOW_S, BatchPolicy(8, 1))
    assert first is not None
    line.take(first)
    second = next_batch(line, NOW_S, BatchPolicy(8, 1))
    assert second is not None
    assert [(part.caller, part.stop - part.start) for part in second.slices] == [(small, 1), (large, 7)]


def test_a_large_request_has_its_turn_however_many_small_ones_come() -> None:
    large = Queued("a", 1000, 200.0)
    line, policy = line_of([large]), BatchPolicy(8, 1)
    for _ in range(100):
        for _ in range(8):  # as many as a batch holds: the engine can do no more
            line.add(Queued("a", 1, 200.0))
        batch = next_batch(line, NOW_S, policy)
        assert batch is not None
        line.take(batch)
    assert large.taken >= 1000 / 10


def test_what_has_a_lower_priority_waits_until_nobody_else_does() -> None:
    shadow, request = Queued("a", 1, 200.0, priority=1), Queued("b", 1, 200.0)
    line, order = line_of([shadow, request]), []
    while batch := next_batch(line, NOW_S, BatchPolicy(8, 1)):
        order += [part.caller for part in batch.slices]
        line.take(batch)
    assert order == [request, shadow]


@pytest.mark.parametrize(
    ("lengths", "sizes"), [([30, 30, 30], [1, 1, 1]), ([5, 5, 30, 5], [2, 1, 1]), ([10, 10, 10, 10], [3, 1])]
)
def test_long_texts_go_in_smaller_batches(lengths: list[int], sizes: list[int]) -> None:
    line, policy = line_of([queued("a", lengths, 200.0, 0)]), BatchPolicy(8, 1, max_tokens=30)
    found = []
    while batch := next_batch(line, NOW_S, policy):
        found.append(batch.texts)
        line.take(batch)
    assert found == sizes


def test_only_a_text_that_is_alone_gets_all_cores() -> None:
    one, two = (Batch((Slice(Queued("a", texts, 200.0), 0, texts),)) for texts in (1, 2))
    assert deserves_all_cores(one, waiting_texts=0, running_batches=0, company=False)
    assert not deserves_all_cores(two, waiting_texts=0, running_batches=0, company=False)
    assert not deserves_all_cores(one, waiting_texts=1, running_batches=0, company=False)
    assert not deserves_all_cores(one, waiting_texts=0, running_batches=1, company=False)
    assert not deserves_all_cores(one, waiting_texts=0, running_batches=0, company=True)
    patient = Batch((Slice(Queued("a", 1, 200.0, priority=1), 0, 1),))
    assert not deserves_all_cores(patient, waiting_texts=0, running_batches=0, company=False)


def test_padding_is_what_the_longest_text_adds_to_the_others() -> None:
    assert padding_ratio([7, 7]) == 0
    assert padding_ratio([1, 2, 3]) == pytest.approx(1 / 3)


def test_shares_of_the_workers_even_out() -> None:
    """A worker that is at seven of eight texts leaves some to the other when it comes back."""
    batch = next_batch(line_of([Queued("a", 1, 200.0) for _ in range(7)]), NOW_S, BatchPolicy(8, 2), running_texts=1)
    assert batch is not None
    assert batch.texts == 4


def test_one_of_two_workers_takes_half_of_a_short_line() -> None:
    line = line_of([Queued("a", 1, 200.0) for _ in range(6)])
    batch = next_batch(line, NOW_S, BatchPolicy(8, 2))
    assert batch is not None
    assert batch.texts == 3


def test_a_long_request_is_spread_over_batches() -> None:
    line, sizes = line_of([Queued("a", 20, 200.0)]), []
    while batch := next_batch(line, NOW_S, BatchPolicy(8, 1)):
        line.take(batch)
        sizes.append(batch.texts)
    assert sizes == [8, 8, 4]


def test_leaving_twice_changes_nothing() -> None:
    caller = Queued("a", 4, 200.0)
    line = line_of([caller, Queued("a", 2, 200.0)])
    assert (line.leave(caller), line.leave(caller), line.texts) == (4, 0, 2)


@pytest.mark.parametrize(
    ("waiting", "workers", "expected"), [(0, 2, 1.0), (800, 2, 5.0), (800, 4, 2.5), (10**6, 1, 60.0)]
)
def test_retry_after_is_when_the_line_is_through(waiting: int, workers: int, expected: float) -> None:
    rate = DrainRate()
    for _ in range(50):
        rate = rate.after(texts=8, busy_s=0.1)
    assert rate.retry_after_s(waiting, workers) == pytest.approx(expected)


def test_retry_after_follows_a_machine_that_slows_down() -> None:
    rate = DrainRate().after(80, 1.0)
    slower = rate
    for _ in range(30):
        slower = slower.after(8, 1.0)
    assert rate.retry_after_s(400, 1) == pytest.approx(5.0)
    assert slower.retry_after_s(400, 1) > 40.0


def test_before_anything_was_measured_retry_after_is_a_second() -> None:
    assert DrainRate().retry_after_s(1000, 2) == 1.0
