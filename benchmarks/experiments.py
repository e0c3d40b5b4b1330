"""What A/B experiments promise, through the real readout: the targets A1 to A4 of `benchmarks.statistics`."""

from __future__ import annotations

import functools
import math
import multiprocessing
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from benchmarks.shown import Shown
from seatrial.domain.experiment import Epoch, ExperimentPlan, Metric, MetricKind
from seatrial.domain.readout import Judgement, Readout, Standing
from seatrial.experiments.observations import ArmObservations, EpochObservations, Observations
from seatrial.experiments.readout import readout
from seatrial.stats.confidence_sequence import Sums

MEAN = Metric("figure", MetricKind.MEAN)
BINARY = Metric("figure", MetricKind.BINARY)
RARE = Metric("figure", MetricKind.RARE)
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Simulated:
    """One kind of experiment, run again and again; a look comes after each batch of units.

    Attributes:
        metric: what is measured, as a guardrail where it has a margin.
        control: probability of the event in the control; None: a heavy tail (lognormal, sigma 1.5) in both arms.
        treatment: in the treatment.
        percent: the treatment's configured share.
        arriving: its true share.
        looks: at most.
        batch: units of both arms between two looks.
    """

    metric: Metric
    control: float | None
    treatment: float | None
    percent: float = 50.0
    arriving: float | None = None
    looks: int = 1000
    batch: int = 200

    @property
    def plan(self) -> ExperimentPlan:
        """The plan that it is read by."""
        other = Metric("other", MetricKind.MEAN)
        metrics, guardrails = ((other,), (self.metric,)) if self.metric.margin else ((self.metric,), ())
        return ExperimentPlan("e", "m", 1, 2, metrics, guardrails)


def first_time(trial: Simulated, wanted: Callable[[Readout], bool], seed: np.random.SeedSequence) -> float:
    """Units of both arms at the first look of which something holds; infinite where there is none."""
    rng, plan, epochs = np.random.default_rng(seed), trial.plan, [Epoch(0, trial.percent, 0.0)]
    control, treatment = _arms(trial, rng)
    for look in range(trial.looks):
        seen = EpochObservations(_seen(trial.metric, control[look]), _seen(trial.metric, treatment[look]))
        if wanted(readout(plan, epochs, Observations((seen,), 0.0), 0.0)):
            return float(control[look, 0] + treatment[look, 0])
    return math.inf


def first_times(
    trial: Simulated, wanted: Callable[[Readout], bool], runs: int, *, seed: int = 0, processes: int = 1
) -> list[float]:
    """`first_time` of each of many runs; equal seeds give equal figures, however many processes."""
    seeds = np.random.SeedSequence(seed).spawn(runs)
    work = functools.partial(first_time, trial, wanted)
    if processes == 1:
        return [work(child) for child in seeds]
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        return pool.map(work, seeds, chunksize=max(1, runs // (8 * processes)))


def decided(seen: Readout) -> bool:
    """The arms are called different."""
    return seen.judgement in (Judgement.SHIP, Judgement.HARMFUL)


def shipped(seen: Readout) -> bool:
    """The treatment is called better."""
    return seen.judgement is Judgement.SHIP


def blocked(seen: Readout) -> bool:
    """Units do not arrive as assigned."""
    return seen.judgement is Judgement.BLOCKED


def held(seen: Readout) -> bool:
    """The guardrail is called not worse."""
    return seen.metrics[-1].standing is Standing.NOT_WORSE


def equal_arms(runs: int, looks: int = 1000, *, processes: int = 1) -> list[Shown]:
    """A1: equal arms are called different, at any look from the first that is allowed."""
    shown = []
    for name, metric, ratio in (
        ("20 %", BINARY, 0.2),
        ("1 %", BINARY, 0.01),
        ("heavy tail", MEAN, None),
        ("1 %, as rare events", RARE, 0.01),
    ):
        for percent in (50.0, 10.0):
            trial = Simulated(metric, ratio, ratio, percent, looks=looks)
            wrong = np.isfinite(first_times(trial, decided, runs, seed=1, processes=processes)).mean()
            what = f"equal arms, {name}, {percent:g} % treatment: called different"
            shown.append(Shown("A1", what, f"{wrong:.3f} of {runs}", "<= .05", bool(wrong <= 0.05)))
    return shown


def better_arm(runs: int, *, processes: int = 1) -> list[Shown]:
    """A2: users an arm until 22 % instead of 20 % is shipped."""
    found = first_times(Simulated(BINARY, 0.2, 0.22), shipped, runs, seed=2, processes=processes)
    median, p95 = (_quantile(found, quantile) / 2 for quantile in (0.5, 0.95))
    value, met = f"{median:,.0f} / {p95:,.0f}", median <= 7500 and p95 <= 19000
    return [Shown("A2", "20 % to 22 %: users an arm, median / p95", value, "<= 7,500 / 19,000", met)]


def lost_units(runs: int, *, processes: int = 1) -> list[Shown]:
    """A3: units that do not arrive as assigned block the readout; those that do, do not."""
    trial = Simulated(BINARY, 0.2, 0.2, batch=100)
    wrong = np.isfinite(first_times(trial, blocked, runs, seed=3, processes=processes)).mean()
    shown = [Shown("A3", "50:50 as assigned: blocked", f"{wrong:.3f} of {runs}", "<= .01", bool(wrong <= 0.01))]
    for share, limit, looks in ((0.52, 8_500, 1000), (0.51, 32_000, 2000)):
        lost = replace(trial, arriving=share, looks=looks)
        median = _quantile(first_times(lost, blocked, runs, seed=3, processes=processes), 0.5)
        what = f"{share:.0%} instead of 50 %: users until blocked, median"
        shown.append(Shown("A3", what, f"{median:,.0f}", f"<= {limit:,}", median <= limit))
    return shown


def worse_guardrail(runs: int, looks: int = 1000, *, processes: int = 1) -> list[Shown]:
    """A4: a guardrail that lost the whole margin is called not worse."""
    trial = Simulated(replace(BINARY, margin=0.01), 0.9, 0.89, looks=looks)
    wrong = np.isfinite(first_times(trial, held, runs, seed=4, processes=processes)).mean()
    what = "90 % to 89 %, margin 1 point: called not worse"
    return [Shown("A4", what, f"{wrong:.3f} of {runs}", "<= .05", bool(wrong <= 0.05))]


def _quantile(values: Sequence[float], quantile: float) -> float:
    return float(np.quantile(values, quantile, method="higher"))


def _arms(trial: Simulated, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """(looks, 3) units, sum and sum of squares of each arm so far."""
    share = trial.percent / 100
    if trial.arriving is None:
        arriving = np.full(trial.looks, round(trial.batch * share))
    else:
        arriving = rng.binomial(trial.batch, trial.arriving, trial.looks)
    return _sums(trial.control, trial.batch - arriving, rng), _sums(trial.treatment, arriving, rng)


def _sums(ratio: float | None, units: npt.NDArray[np.int64], rng: np.random.Generator) -> FloatArray:
    if ratio is None:
        figures = rng.lognormal(0.0, 1.5, (len(units), int(units.max())))
        totals = np.stack([figures.sum(axis=1), (figures * figures).sum(axis=1)], axis=1)
    else:
        events = rng.binomial(units, ratio)
        totals = np.stack([events, events], axis=1)
    return np.cumsum(np.concatenate([units[:, np.newaxis], totals], axis=1), axis=0).astype(np.float64)


def _seen(metric: Metric, sums: FloatArray) -> ArmObservations:
    units, total, squares = int(sums[0]), float(sums[1]), float(sums[2])
    return ArmObservations(units, {metric.name: Sums(units, total, squares)})
