"""What a readout says, and each of its gates seen to hold something back."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.domain.evidence import Verdict, worst
from seatrial.domain.experiment import Better, Epoch, ExperimentPlan, Metric, MetricKind, Side
from seatrial.domain.readout import Judgement, MetricReadout, Readout, Standing
from seatrial.experiments.findings import readout_findings
from seatrial.experiments.join import Joiner, UnitExposed
from seatrial.experiments.observations import ArmObservations, EpochObservations, Observations
from seatrial.experiments.readout import readout
from seatrial.stats.confidence_sequence import Sums

BOUGHT = Metric("bought", MetricKind.BINARY)
RIGHT = Metric("right", MetricKind.BINARY, margin=0.02)
CRASHED = Metric("crashed", MetricKind.RARE, Better.LOWER, margin=0.2)
PLAN = ExperimentPlan("e", "m", 1, 2, (BOUGHT,), (RIGHT,))
HALF = (Epoch(0, 50.0, 0.0),)


def events(units: int, **counts: int) -> ArmObservations:
    """An arm in which so many units had each event."""
    return ArmObservations(units, {name: Sums(units, count, count) for name, count in counts.items()})


def seen(*arms: ArmObservations) -> Observations:
    """Control and treatment of each epoch."""
    return Observations(tuple(EpochObservations(*arms[at : at + 2]) for at in range(0, len(arms), 2)), 0.0)


def look(
    observations: Observations, plan: ExperimentPlan = PLAN, epochs: tuple[Epoch, ...] = HALF, **further: Any
) -> Readout:
    return readout(plan, epochs, observations, 0.0, **further)


WON = (events(20_000, bought=4000, right=18_000), events(20_000, bought=4600, right=18_000))


def test_a_won_metric_and_a_held_guardrail_ship() -> None:
    shown = look(seen(*WON))
    assert shown.judgement is Judgement.SHIP
    assert [metric.standing for metric in shown.metrics] == [Standing.BETTER, Standing.NOT_WORSE]
    assert worst(readout_findings(shown)) is Verdict.PASS
    bought = shown.metrics[0]
    assert (bought.control_value, bought.treatment_value) == (0.2, 0.23)
    assert bought.difference == pytest.approx(0.03)


def test_the_check_values_through_the_readout() -> None:
    control, treatment = events(1000, bought=200), events(1000, bought=220)
    shown = look(seen(control, treatment), replace(PLAN, guardrails=())).metrics[0]
    assert shown.high - shown.difference == pytest.approx(0.061256016794, abs=1e-9)  # type: ignore[operator]  # known
    rare = replace(PLAN, metrics=(replace(CRASHED, margin=0.0),), guardrails=())
    shown = look(seen(events(5000, crashed=90), events(5000, crashed=130)), rare).metrics[0]
    assert shown.log_e == pytest.approx(1.840939762899, abs=1e-9)
    assert look(seen(events(5200), events(4800))).mismatch_log_e == pytest.approx(6.075817651588, abs=1e-9)


@pytest.mark.parametrize(
    ("arms", "judgement", "word"),
    [
        # Equal arms, and a loss that the margin does not cover: the win cannot be shipped.
        ((*WON[:1], events(20_000, bought=4600, right=17_300)), Judgement.HARMFUL, "right: the treatment is worse"),
        # The guardrail is as good, but too few units show it.
        (
            (events(2000, bought=400, right=1800), events(2000, bought=600, right=1800)),
            Judgement.COLLECT,
            "not refuted yet",
        ),
        ((events(20_000, bought=4000, right=18_000), events(20_000, bought=3400, right=18_000)), Judgement.HARMFUL, ""),
        ((events(499, bought=100, right=450), events(499, bought=300, right=450)), Judgement.COLLECT, "too few"),
        ((events(20_000, bought=4000, right=18_000),) * 2, Judgement.COLLECT, "no difference"),
    ],
    ids=["guardrail harmed", "guardrail unproven", "metric lost", "too few units", "equal"],
)
def test_what_holds_a_treatment_back(arms: tuple[ArmObservations, ...], judgement: Judgement, word: str) -> None:
    shown = look(seen(*arms))
    assert shown.judgement is judgement
    assert word in shown.reason
    assert worst(readout_findings(shown)) is (Verdict.FAIL if judgement is Judgement.HARMFUL else Verdict.INCONCLUSIVE)


def test_units_that_are_lost_on_the_way_block_everything_for_good() -> None:
    lost = look(seen(replace(WON[0], came=24_000), WON[1]))
    assert lost.judgement is Judgement.BLOCKED
    assert "not as assigned" in lost.reason
    assert [finding.verdict for finding in readout_findings(lost)] == [Verdict.FAIL, *[Verdict.INCONCLUSIVE] * 2]
    assert look(seen(*WON)).judgement is Judgement.SHIP
    assert look(seen(*WON), earlier=lost).judgement is Judgement.BLOCKED
    assert look(seen(*WON), earlier=look(seen(*WON))).judgement is Judgement.SHIP


def test_mismatches_of_epochs_add_up() -> None:
    """Each epoch alone lies below the limit."""
    epochs, arm = (Epoch(0, 50.0, 0.0), Epoch(1, 50.0, 9.0)), (events(5150), events(4850))
    alone = look(seen(*arm)).mismatch_log_e
    assert 0 < alone < math.log(100) < 2 * alone
    assert look(seen(*arm, *arm), epochs=epochs).judgement is Judgement.BLOCKED


def test_an_epoch_has_its_own_share() -> None:
    """1:1, then 9:1, as assigned; the base rate moved in between, which must not look like a difference."""
    epochs = (Epoch(0, 50.0, 0.0), Epoch(1, 10.0, 9.0))
    arms = (
        events(5000, bought=1000),
        events(5000, bought=1000),
        events(45_000, bought=18_000),
        events(5000, bought=2000),
    )
    shown = look(seen(*arms), replace(PLAN, guardrails=()), epochs)
    assert shown.judgement is Judgement.COLLECT
    assert shown.metrics[0].difference == pytest.approx(0.0)
    pooled = [metric or 0.0 for metric in (shown.metrics[0].control_value, shown.metrics[0].treatment_value)]
    assert pooled[0] - pooled[1] > 0.05  # what pooling would have called harm


def test_an_epoch_too_small_for_its_interval_waits() -> None:
    epochs = (Epoch(0, 5.0, 0.0), Epoch(1, 50.0, 9.0))
    arms = (events(1900, bought=380), events(100, bought=100), *WON)
    shown = look(seen(*arms), replace(PLAN, guardrails=()), epochs)
    assert shown.metrics[0].difference == pytest.approx(0.03)


def test_nobody_is_judged_before_the_outcome_window_is_over() -> None:
    plan = replace(PLAN, outcome_window_s=3600.0)
    joiner = Joiner(plan, HALF)
    assert "No unit has come" in look(joiner.advance(0.0), plan).reason
    for number in range(2000):
        joiner.expose(UnitExposed(1.0, f"user-{number}", list(Side)[number % 2], 0))
    early = look(joiner.advance(3000.0), plan)
    assert early.judgement is Judgement.COLLECT
    assert "no outcome window is over yet: the first ends in 601 s" in early.reason
    assert (early.control_units, early.metrics[0].control_units) == (1000, 0)
    assert look(joiner.advance(3601.0), plan).metrics[0].control_units == 1000


def test_a_small_proven_loss_within_the_margin_is_tolerated() -> None:
    control, treatment = events(500_000, bought=100_000, right=450_000), events(500_000, bought=110_000, right=447_000)
    shown = look(seen(control, treatment))
    assert shown.metrics[1].high < 0  # type: ignore[operator]  # known
    assert shown.judgement is Judgement.SHIP


def test_a_metric_of_which_less_is_better() -> None:
    plan = replace(
        PLAN, metrics=(replace(BOUGHT, better=Better.LOWER),), guardrails=(replace(RIGHT, better=Better.LOWER),)
    )
    assert look(seen(*WON), plan).judgement is Judgement.HARMFUL
    fewer = (events(20_000, bought=4600, right=2000), events(20_000, bought=4000, right=2000))
    assert look(seen(*fewer), plan).judgement is Judgement.SHIP


def test_a_rare_guardrail_is_a_ratio_of_rates() -> None:
    plan = replace(PLAN, guardrails=(CRASHED,))

    def crashed(control: int, treatment: int, units: int = 200_000) -> MetricReadout:
        arms = (events(units, bought=units // 5, crashed=control), events(units, bought=units // 5, crashed=treatment))
        return look(seen(*arms), plan).metrics[1]

    assert crashed(2000, 2010).standing is Standing.NOT_WORSE
    assert crashed(2000, 2010).relative
    assert crashed(200, 201).standing is Standing.OPEN
    assert crashed(2000, 2600).standing is Standing.WORSE
    assert crashed(0, 0).standing is Standing.TOO_FEW
    assert crashed(0, 9).high is None  # any rise is possible


def test_a_gain_worth_having_that_is_refuted_keeps_the_control() -> None:
    arms = (events(100_000, bought=20_000), events(100_000, bought=20_000))
    plan = replace(PLAN, metrics=(replace(BOUGHT, least_gain=0.02),), guardrails=())
    shown = look(seen(*arms), plan)
    assert (shown.judgement, shown.metrics[0].standing) == (Judgement.KEEP, Standing.NO_GAIN)
    assert worst(readout_findings(shown)) is Verdict.FAIL
    assert look(seen(*arms), replace(plan, metrics=(BOUGHT,))).judgement is Judgement.COLLECT


def test_spent_units_keep_the_control_unless_the_treatment_has_won() -> None:
    equal = (events(20_000, bought=4000, right=18_000),) * 2
    plan = replace(PLAN, most_units=40_000)
    shown = look(seen(*equal), plan)
    assert shown.judgement is Judgement.KEEP
    assert worst(readout_findings(shown)) is Verdict.FAIL
    assert look(seen(*equal), replace(plan, most_units=40_001)).judgement is Judgement.COLLECT
    assert look(seen(*WON), plan).judgement is Judgement.SHIP


def test_one_of_several_metrics_is_enough_but_none_may_lose() -> None:
    spent = Metric("spent", MetricKind.BINARY)
    plan = replace(PLAN, metrics=(BOUGHT, spent), guardrails=())

    def with_spent(treatment: int) -> Readout:
        return look(seen(events(20_000, bought=4000, spent=4000), events(20_000, bought=4600, spent=treatment)), plan)

    assert with_spent(4000).judgement is Judgement.SHIP
    assert with_spent(3400).judgement is Judgement.HARMFUL
    assert with_spent(4000).metrics[0].alpha == 0.025


def test_a_pre_period_narrows_the_interval() -> None:
    rng = np.random.default_rng(0)
    before = rng.normal(10, 3, (2, 2000))
    after = before + rng.normal(0, 1, (2, 2000)) + np.array([[0.0], [0.2]])
    arms = [
        ArmObservations(2000, {"spent": Sums(2000, y.sum(), (y * y).sum(), x.sum(), (x * x).sum(), (x * y).sum())})
        for x, y in zip(before, after, strict=True)
    ]
    plan = replace(PLAN, metrics=(Metric("spent"),), guardrails=(), pre_period_s=100.0)
    assert look(seen(*arms), plan).judgement is Judgement.SHIP
    assert look(seen(*arms), replace(plan, pre_period_s=0.0)).judgement is Judgement.COLLECT


def test_a_ratio_divides_by_what_was_sent() -> None:
    plan = replace(PLAN, metrics=(Metric("right", MetricKind.RATIO),), guardrails=())
    arms = [ArmObservations(600, {"right": Sums(600, 3 * n, 9 * n, 4 * n, 16 * n, 12 * n)}) for n in (600, 600)]
    shown = look(seen(*arms), plan).metrics[0]
    assert (shown.control_value, shown.difference) == (0.75, 0.0)
    silent = [ArmObservations(600, {"right": Sums(600)}) for _ in range(2)]
    assert look(seen(*silent), plan).metrics[0].standing is Standing.TOO_FEW


def test_epochs_and_observations_belong_together() -> None:
    with pytest.raises(ValueError, match="2 epochs"):
        look(seen(*WON), epochs=(*HALF, Epoch(1, 10.0, 1.0)))


ARM = st.builds(lambda units, a, b: events(units, bought=int(a * units), right=int(b * units)),
                st.integers(0, 30_000), st.floats(0, 1), st.floats(0, 1))  # fmt: skip


@given(ARM, ARM, st.sampled_from([0, 1000]))
def test_the_findings_say_what_the_readout_says(
    control: ArmObservations, treatment: ArmObservations, most: int
) -> None:
    shown = look(seen(control, treatment), replace(PLAN, most_units=most))
    expected = {Judgement.SHIP: Verdict.PASS, Judgement.COLLECT: Verdict.INCONCLUSIVE}
    assert worst(readout_findings(shown)) is expected.get(shown.judgement, Verdict.FAIL)
