"""The rules that form batches: nothing lost, order kept, bounds held, nobody harmed by who leaves."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.serving.batching import BatchPolicy, DrainRate, Line, Queued, next_batch

NOW_S = 100.0
policies = st.builds(BatchPolicy, max_texts=st.integers(1, 9), workers=st.integers(1, 4))
callers = st.lists(
    st.builds(
        Queued, variant=st.sampled_from("ab"), texts=st.integers(1, 20), deadline_s=st.sampled_from([99.0, 101.0])
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
@given(callers, policies)
def test_a_batch_is_of_one_variant_within_its_bounds_and_starts_with_the_oldest(
    waiting: list[Queued], policy: BatchPolicy
) -> None:
    line = line_of(waiting)
    while batch := next_batch(line, NOW_S, policy):
        served = [part.caller for part in batch.slices]
        assert 0 < batch.texts <= min(policy.max_texts, math.ceil(line.texts / policy.workers))
        assert len({caller.variant for caller in served}) == 1
        alive = [caller for caller in line if caller.deadline_s > NOW_S]
        assert served[0] is alive[0]
        assert served == [caller for caller in alive if caller.variant == served[0].variant][: len(served)]
        line.take(batch)


def test_nobody_waits_for_nothing() -> None:
    assert next_batch(line_of([]), NOW_S, BatchPolicy(8, 2)) is None


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
