"""Who counts, where, with what, and when: whatever the order in which it is read."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.domain.experiment import Epoch, ExperimentPlan, Metric, MetricKind, Side
from seatrial.experiments.join import Exposure, Joiner, Outcome, join
from seatrial.experiments.observations import Ignored, Observations
from seatrial.stats.confidence_sequence import Sums

METRICS = (Metric("spent"), Metric("bought", MetricKind.BINARY), Metric("right", MetricKind.RATIO))
PLAN = ExperimentPlan("e", "m", 1, 2, METRICS, outcome_window_s=10.0)
EPOCHS = (Epoch(0, 50.0, 100.0), Epoch(1, 10.0, 150.0))
CONTROL, TREATMENT = Side.CONTROL, Side.TREATMENT


def joined(*events: Exposure | Outcome, until_s: float, plan: ExperimentPlan = PLAN) -> Observations:
    exposures = [event for event in events if isinstance(event, Exposure)]
    return join(plan, EPOCHS, exposures, [event for event in events if isinstance(event, Outcome)], until_s)


def test_a_unit_counts_with_all_it_did_in_its_window_and_nothing_else() -> None:
    seen = joined(
        Outcome(99.0, "ann", "spent", 100.0),
        Exposure(100.0, "ann", TREATMENT, 0),
        Outcome(100.0, "ann", "spent", 2.0),
        Outcome(109.9, "ann", "spent", 3.0),
        Outcome(110.0, "ann", "spent", 1000.0),
        Outcome(101.0, "ann", "bought", 1.0),
        Outcome(102.0, "ann", "bought", 1.0),
        Outcome(103.0, "ann", "right", 1.0),
        Outcome(104.0, "ann", "right", 0.0),
        until_s=111.0,
    )
    arm = seen.epochs[0].treatment
    assert arm.sums("spent") == Sums(1, 5.0, 25.0)
    assert arm.sums("bought") == Sums(1, 1.0, 1.0)  # once, however often
    assert arm.sums("right") == Sums(1, 1.0, 1.0, 2.0, 4.0, 2.0)  # one right answer of two
    assert seen.ignored == Ignored(foreign_outcomes=1, outside_window=1)


def test_nobody_counts_before_the_window_is_over() -> None:
    events = (Exposure(100.0, "ann", CONTROL, 0), Outcome(101.0, "ann", "bought", 1.0))
    early, due = joined(*events, until_s=109.9), joined(*events, until_s=110.0)
    assert (early.epochs[0].control.came, early.epochs[0].control.sums("bought")) == (1, Sums())
    assert (early.waiting, early.first_due_s) == (1, 110.0)
    assert due.epochs[0].control.sums("bought").units == 1
    assert (due.waiting, due.first_due_s) == (0, None)


def test_a_unit_without_outcome_counts_as_nothing() -> None:
    seen = joined(Exposure(100.0, "ann", CONTROL, 0), until_s=200.0)
    assert {name: sums.units for name, sums in seen.epochs[0].control.metrics.items()} == dict.fromkeys(
        ("spent", "bought", "right"), 1
    )
    assert seen.epochs[0].control.sums("right").x == 0  # nothing to be right about


def test_the_first_exposure_decides_arm_epoch_and_window() -> None:
    seen = joined(
        Exposure(160.0, "ann", TREATMENT, 1),
        Exposure(100.0, "ann", CONTROL, 0),
        Exposure(161.0, "ann", CONTROL, 1),
        Outcome(161.0, "ann", "spent", 5.0),
        until_s=300.0,
    )
    assert [(epoch.control.came, epoch.treatment.came) for epoch in seen.epochs] == [(1, 0), (0, 0)]
    assert seen.ignored == Ignored(crossed=1, outside_window=1)


def test_what_comes_too_late_is_told() -> None:
    joiner = Joiner(PLAN, EPOCHS)
    joiner.expose(Exposure(100.0, "ann", CONTROL, 0))
    joiner.advance(105.0)
    joiner.outcome(Outcome(104.0, "ann", "spent", 1.0))
    joiner.expose(Exposure(104.0, "bob", CONTROL, 0))
    joiner.expose(Exposure(104.0, "ann", CONTROL, 0))  # known: nothing is lost
    joiner.advance(50.0)  # backwards: nothing happens
    seen = joiner.advance(120.0)
    assert seen.until_s == 120.0
    assert seen.ignored == Ignored(late=2)
    assert seen.epochs[0].control.sums("spent") == Sums(1)


def test_what_nobody_asked_for_is_told() -> None:
    seen = joined(
        Outcome(120.0, "eve", "spent", 1.0),
        Outcome(120.0, "eve", "weight", 1.0),
        Exposure(120.0, "bob", CONTROL, 7),
        until_s=200.0,
    )
    assert seen.ignored == Ignored(foreign_outcomes=2, misplaced=1)
    assert seen.came(CONTROL) == 0


def test_an_epoch_that_opens_later() -> None:
    joiner = Joiner(PLAN, EPOCHS[:1])
    with pytest.raises(ValueError, match="Epoch 1 is the next"):
        joiner.open_epoch(Epoch(2, 10.0, 150.0))
    joiner.open_epoch(EPOCHS[1])
    joiner.expose(Exposure(160.0, "ann", TREATMENT, 1))
    assert joiner.advance(161.0).epochs[1].treatment.came == 1


def test_the_pre_period_is_kept_beside() -> None:
    plan = replace(PLAN, pre_period_s=50.0)
    seen = joined(
        Outcome(49.0, "ann", "spent", 1000.0),  # before the pre-period
        Outcome(50.0, "ann", "spent", 4.0),
        Outcome(99.0, "ann", "spent", 5.0),
        Outcome(99.0, "ann", "bought", 1.0),
        Outcome(110.0, "ann", "spent", 1000.0),  # after it, and before the exposure
        Exposure(120.0, "ann", CONTROL, 0),
        Outcome(121.0, "ann", "spent", 2.0),
        until_s=200.0,
        plan=plan,
    )
    assert seen.epochs[0].control.sums("spent") == Sums(1, 2.0, 4.0, 9.0, 81.0, 18.0)
    assert seen.epochs[0].control.sums("bought") == Sums(1, 0.0, 0.0, 1.0, 1.0, 0.0)
    assert seen.ignored == Ignored(foreign_outcomes=2)


UNITS = st.sampled_from(["ann", "bob", "eve", "joe"])
TIMES = st.floats(90.0, 200.0)
EVENTS = st.lists(
    st.one_of(
        st.builds(Exposure, TIMES, UNITS, st.sampled_from(Side), st.integers(0, 1)),
        st.builds(Outcome, TIMES, UNITS, st.sampled_from(["spent", "bought", "right"]), st.floats(-5, 5)),
    ),
    max_size=40,
)


@given(EVENTS, st.randoms(use_true_random=False), st.lists(TIMES, max_size=3))
def test_neither_order_nor_portions_of_reading_matter(
    events: list[Exposure | Outcome], random: object, cuts: list[float]
) -> None:
    plan = replace(PLAN, pre_period_s=5.0)
    at_once = joined(*events, until_s=250.0, plan=plan)
    shuffled = list(events)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis gives its own kind of Random
    joiner, last = Joiner(plan, EPOCHS), float("-inf")
    for cut in (*sorted(cuts), 250.0):
        for event in shuffled:
            if last < event.at_s <= cut:
                joiner.expose(event) if isinstance(event, Exposure) else joiner.outcome(event)
        seen, last = joiner.advance(cut), cut
    assert seen == at_once


@given(EVENTS, TIMES)
def test_every_unit_that_came_waits_or_counts(events: list[Exposure | Outcome], until_s: float) -> None:
    seen = joined(*events, until_s=until_s)
    counted = sum(epoch.arm(side).sums("spent").units for epoch in seen.epochs for side in Side)
    assert counted + seen.waiting == sum(map(seen.came, Side))
    assert Observations.from_json(seen.to_json()) == seen


def test_what_are_no_observations() -> None:
    with pytest.raises(ValueError, match="no observations"):
        Observations.from_json({"epochs": []})
