"""Who counts, where, with what, and when: whatever the order in which it is read."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from seatrial.domain.experiment import Epoch, ExperimentPlan, Metric, MetricKind, Side
from seatrial.experiments.join import FigureSent, Joiner, UnitExposed
from seatrial.experiments.observations import Ignored, Observations
from seatrial.stats.confidence_sequence import Sums

METRICS = (Metric("spent"), Metric("bought", MetricKind.BINARY), Metric("right", MetricKind.RATIO))
PLAN = ExperimentPlan("e", "m", 1, 2, METRICS, outcome_window_s=10.0)
EPOCHS = (Epoch(0, 50.0, 100.0), Epoch(1, 10.0, 150.0))
CONTROL, TREATMENT = Side.CONTROL, Side.TREATMENT


def joined(*events: UnitExposed | FigureSent, until_s: float, plan: ExperimentPlan = PLAN) -> Observations:
    joiner = Joiner(plan, EPOCHS)
    for event in events:
        if isinstance(event, UnitExposed):
            joiner.expose(event)
        else:
            joiner.outcome(event)
    return joiner.advance(until_s)


def test_a_unit_counts_with_all_it_did_in_its_window_and_nothing_else() -> None:
    seen = joined(
        FigureSent(99.0, "ann", "spent", 100.0),
        UnitExposed(100.0, "ann", TREATMENT, 0),
        FigureSent(100.0, "ann", "spent", 2.0),
        FigureSent(109.9, "ann", "spent", 3.0),
        FigureSent(110.0, "ann", "spent", 1000.0),
        FigureSent(101.0, "ann", "bought", 1.0),
        FigureSent(102.0, "ann", "bought", 1.0),
        FigureSent(103.0, "ann", "right", 1.0),
        FigureSent(104.0, "ann", "right", 0.0),
        until_s=111.0,
    )
    arm = seen.epochs[0].treatment
    assert arm.sums("spent") == Sums(1, 5.0, 25.0)
    assert arm.sums("bought") == Sums(1, 1.0, 1.0)  # once, however often
    assert arm.sums("right") == Sums(1, 1.0, 1.0, 2.0, 4.0, 2.0)  # one right answer of two
    assert seen.ignored == Ignored(foreign_outcomes=1, outside_window=1)


def test_nobody_counts_before_the_window_is_over() -> None:
    events = (UnitExposed(100.0, "ann", CONTROL, 0), FigureSent(101.0, "ann", "bought", 1.0))
    early, due = joined(*events, until_s=109.9), joined(*events, until_s=110.0)
    assert (early.epochs[0].control.came, early.epochs[0].control.sums("bought")) == (1, Sums())
    assert (early.waiting, early.first_due_s) == (1, 110.0)
    assert due.epochs[0].control.sums("bought").units == 1
    assert (due.waiting, due.first_due_s) == (0, None)


def test_a_unit_without_outcome_counts_as_nothing() -> None:
    seen = joined(UnitExposed(100.0, "ann", CONTROL, 0), until_s=200.0)
    assert {name: sums.units for name, sums in seen.epochs[0].control.metrics.items()} == dict.fromkeys(
        ("spent", "bought", "right"), 1
    )
    assert seen.epochs[0].control.sums("right").x == 0  # nothing to be right about


def test_the_first_exposure_decides_arm_epoch_and_window() -> None:
    seen = joined(
        UnitExposed(160.0, "ann", TREATMENT, 1),
        UnitExposed(100.0, "ann", CONTROL, 0),
        UnitExposed(161.0, "ann", CONTROL, 1),
        FigureSent(161.0, "ann", "spent", 5.0),
        until_s=300.0,
    )
    assert [(epoch.control.came, epoch.treatment.came) for epoch in seen.epochs] == [(1, 0), (0, 0)]
    assert seen.ignored == Ignored(crossed=1, outside_window=1)


def test_what_comes_too_late_is_told() -> None:
    joiner = Joiner(PLAN, EPOCHS)
    joiner.expose(UnitExposed(100.0, "ann", CONTROL, 0))
    joiner.advance(105.0)
    joiner.outcome(FigureSent(104.0, "ann", "spent", 1.0))
    joiner.expose(UnitExposed(104.0, "bob", CONTROL, 0))
    joiner.expose(UnitExposed(104.0, "ann", CONTROL, 0))  # known: nothing is lost
    joiner.advance(50.0)  # backwards: nothing happens
    seen = joiner.advance(120.0)
    assert seen.until_s == 120.0
    assert seen.ignored == Ignored(late=2)
    assert seen.epochs[0].control.sums("spent") == Sums(1)


def test_what_nobody_asked_for_is_told() -> None:
    seen = joined(
        FigureSent(120.0, "eve", "spent", 1.0),
        FigureSent(120.0, "eve", "weight", 1.0),
        UnitExposed(120.0, "bob", CONTROL, 7),
        until_s=200.0,
    )
    assert seen.ignored == Ignored(foreign_outcomes=2, misplaced=1)
    assert seen.came(CONTROL) == 0


def test_the_pre_period_is_kept_beside() -> None:
    plan = replace(PLAN, pre_period_s=50.0)
    seen = joined(
        FigureSent(49.0, "ann", "spent", 1000.0),  # before the pre-period
        FigureSent(50.0, "ann", "spent", 4.0),
        FigureSent(99.0, "ann", "spent", 5.0),
        FigureSent(99.0, "ann", "bought", 1.0),
        FigureSent(110.0, "ann", "spent", 1000.0),  # after it, and before the exposure
        UnitExposed(120.0, "ann", CONTROL, 0),
        FigureSent(121.0, "ann", "spent", 2.0),
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
        st.builds(UnitExposed, TIMES, UNITS, st.sampled_from(Side), st.integers(0, 1)),
        st.builds(FigureSent, TIMES, UNITS, st.sampled_from(["spent", "bought", "right"]), st.floats(-5, 5)),
    ),
    max_size=40,
)


@given(EVENTS, st.randoms(use_true_random=False), st.lists(TIMES, max_size=3))
def test_neither_order_nor_portions_of_reading_matter(
    events: list[UnitExposed | FigureSent], random: object, cuts: list[float]
) -> None:
    plan = replace(PLAN, pre_period_s=5.0)
    at_once = joined(*events, until_s=250.0, plan=plan)
    shuffled = list(events)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis gives its own kind of Random
    joiner, last = Joiner(plan, EPOCHS), float("-inf")
    for cut in (*sorted(cuts), 250.0):
        for event in shuffled:
            if last < event.at_s <= cut:
                joiner.expose(event) if isinstance(event, UnitExposed) else joiner.outcome(event)
        seen, last = joiner.advance(cut), cut
    assert seen == at_once


@given(EVENTS, TIMES)
def test_every_unit_that_came_waits_or_counts(events: list[UnitExposed | FigureSent], until_s: float) -> None:
    seen = joined(*events, until_s=until_s)
    counted = sum(epoch.arm(side).sums("spent").units for epoch in seen.epochs for side in Side)
    assert counted + seen.waiting == sum(map(seen.came, Side))
