"""Measures what the statistics of releases and experiments promise: `python -m benchmarks.statistics`.

Every release here goes through the real counters and the real decision, every experiment through the real readout,
look after look; latencies through the edges of the real histogram. The targets have names (C: canary, A: A/B, S: cost,
X: check values); `--only C1,C3` runs some of them. Prints their figures, and writes them to benchmarks/STATISTICS.md
beside those that were run before. The tests run the same functions with fewer runs.
"""

from __future__ import annotations

import argparse
import functools
import json
import math
import multiprocessing
import os
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.experiments import better_arm, equal_arms, lost_units, worse_guardrail
from benchmarks.shown import Shown
from seatrial.config import ReleaseSettings
from seatrial.domain.release import (
    ArmCounters,
    GuardPlan,
    ReleaseCounters,
    ReleasePlan,
    ReleaseState,
    StepCounters,
    StepPlan,
)
from seatrial.release.decide import decide
from seatrial.release.presets import plan_from
from seatrial.release.rehearsal import Run, rehearse_once
from seatrial.release.simulation import StickyUsers, world_for
from seatrial.release.traffic import Scenario, frozen_baseline
from seatrial.stats.bernoulli_risk import DISAGREEMENT_GRID, LABEL_GRID, log_risk
from seatrial.stats.class_mix import log_other_mix_by_start
from seatrial.stats.confidence_sequence import half_width
from seatrial.stats.evidence import log_start_mean
from seatrial.stats.rare_events import log_difference
from seatrial.stats.rate_ratio import ArmEvents, log_harm_by_start, log_safe
from seatrial.stats.sample_ratio import log_mismatch

RESULTS = Path(__file__).parent / "STATISTICS.md"
_TARGET = re.compile(r"\| [A-Z]\d \|")
ERRORS_ONLY = GuardPlan(error_weight=1.0, latency_weight=0.0, class_weight=0.0)
LATENCY_ONLY = GuardPlan(error_weight=0.0, latency_weight=1.0, class_weight=0.0, latency_tolerance_rungs=0)


@dataclass(frozen=True)
class Trial:
    """One kind of release, run again and again.

    Attributes:
        plan: what is released under.
        scenario: what is wrong.
        looks: in each step.
        mirror_ratio: share of the requests that is mirrored.
        count_every: count every event of a user, and not the first: the mistake that C6 shows.
    """

    plan: ReleasePlan
    scenario: Scenario
    looks: int = 1000
    mirror_ratio: float = 0.0
    count_every: bool = False


def one_step(percent: float, requests: int, guards: GuardPlan = ERRORS_ONLY) -> ReleasePlan:
    """A plan of one step that ends with its budget, whatever has been proven."""
    return ReleasePlan((StepPlan(percent, requests, requests),), guards, bake_s=0.0)


def one_run(trial: Trial, seed: np.random.SeedSequence) -> Run:
    """One release of a trial."""
    rng = np.random.default_rng(seed)
    baseline = frozen_baseline(trial.scenario.traffic, trial.plan.guards.latency_tolerance_rungs)
    if trial.count_every:
        world = StickyUsers(trial.plan, trial.scenario, baseline, rng, first_only=False)
        return rehearse_once(trial.plan, world, looks_per_step=trial.looks)
    chosen = world_for(trial.plan, trial.scenario, baseline, trial.mirror_ratio, rng)
    return rehearse_once(trial.plan, chosen, looks_per_step=trial.looks)


def run_trial(trial: Trial, runs: int, *, seed: int = 0, processes: int = 1) -> list[Run]:
    """All runs of a trial; equal seeds give equal runs, however many processes."""
    seeds = np.random.SeedSequence(seed).spawn(runs)
    work = functools.partial(one_run, trial)
    if processes == 1:
        return [work(child) for child in seeds]
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        return pool.map(work, seeds, chunksize=max(1, runs // (8 * processes)))


def rolled_back_ratio(runs: Sequence[Run]) -> float:
    """Share of the runs that were rolled back."""
    return sum(run.decision == "rolled_back" for run in runs) / len(runs)


def delay(runs: Sequence[Run], quantile: float, what: str = "requests") -> float:
    """Requests until rolled back: an order statistic, infinite where so many never were."""
    values = [getattr(run, what) if run.decision == "rolled_back" else math.inf for run in runs]
    return float(np.quantile(values, quantile, method="higher"))


def canary_healthy(runs: int, outage: float, *, processes: int = 1) -> list[Shown]:
    """C1, C2: false rollbacks, both arms with 1 % errors; C2 with an outage of both arms."""
    target = "C2" if outage else "C1"
    shown = []
    for percent in (50.0, 10.0):
        trial = Trial(one_step(percent, 100_000), Scenario(outage=outage))
        ratio = rolled_back_ratio(run_trial(trial, runs, processes=processes))
        what = f"healthy, {percent:g} % canary, 1,000 looks" + (", outage of both arms" if outage else "")
        shown.append(Shown(target, f"{what}: rolled back", f"{ratio:.3f} of {runs}", "<= .05", ratio <= 0.05))
    return shown


def canary_errors(runs: int, *, processes: int = 1) -> list[Shown]:
    """C3: requests until errors of 3 % instead of 1 % are found."""
    shown = []
    for percent, median, p95 in ((50.0, 1600, 4200), (10.0, 3800, 12000)):
        ended = run_trial(Trial(one_step(percent, 40_000), Scenario(error_rise=3.0), 400), runs, processes=processes)
        shown.append(_delays("C3", f"errors 1 % to 3 %, {percent:g} % canary", ended, (median, p95)))
        found = rolled_back_ratio(ended)
        shown.append(Shown("C3", f"found by 40,000, {percent:g} % canary", f"{found:.3f}", "all", found == 1))
    return shown


def canary_latency(runs: int, *, processes: int = 1) -> list[Shown]:
    """C4: requests until slowness is found, and false alarms at and below what is tolerated."""
    shown = []
    tolerant = replace(LATENCY_ONLY, latency_tolerance_rungs=1)
    for percent, median, p95 in ((50.0, 900, 2000), (10.0, 2000, 5500)):
        plan = one_step(percent, 20_000, LATENCY_ONLY)
        for name, scenario in (("all x1.3", Scenario(slowdown=1.3)), ("17 % x2", Scenario(tail_slowdown=2.0))):
            ended = run_trial(Trial(plan, scenario), runs, processes=processes)
            shown.append(_delays("C4", f"{name}, {percent:g} % canary", ended, (median, p95)))
        for name, tried, scenario in (
            ("equal, tolerance 0", plan, Scenario()),
            ("x1.1, tolerance one rung", one_step(percent, 20_000, tolerant), Scenario(slowdown=1.1)),
        ):
            ratio = rolled_back_ratio(run_trial(Trial(tried, scenario), runs, processes=processes))
            shown.append(
                Shown("C4", f"{name}, {percent:g} % canary: rolled back", f"{ratio:.3f}", "<= .05", ratio <= 0.05)
            )
    return shown


def canary_whole(healthy: int, faulty: int, *, processes: int = 1) -> list[Shown]:
    """C5: the standard plan with all guards, mirrored requests included."""
    plan = plan_from(ReleaseSettings(mirror_ratio=0.1, bake_s=0.0))
    shown = []
    for errors in (0.01, 0.05, 0.001):
        trial = Trial(plan, Scenario(error_ratio=errors), 100, 0.1)
        ratio = rolled_back_ratio(run_trial(trial, healthy, processes=processes))
        shown.append(Shown("C5", f"healthy, {errors:.1%} errors: rolled back", f"{ratio:.3f}", "<= .05", ratio <= 0.05))
    for rise, limit in ((10.0, 15), (3.0, 30)):
        ended = run_trial(Trial(plan, Scenario(error_rise=rise), 100, 0.1), faulty, processes=processes)
        failed = delay(ended, 0.5, "failed_canary_requests")
        first = sum(run.decision == "rolled_back" and run.step == 1 for run in ended) / faulty
        what = f"errors 1 % to {rise:g} %"
        shown.append(
            Shown("C5", f"{what}: failed canary requests, median", f"{failed:g}", f"<= {limit}", failed <= limit)
        )
        if rise >= 10:
            shown.append(Shown("C5", f"{what}: stopped in the 1 % step", f"{first:.3f}", ">= .95", first >= 0.95))
    others = {
        "all x1.3": Scenario(slowdown=1.3),
        "disagreement 2 % to 10 %": Scenario(disagreement=0.1),
        "class share 60 % to 50 %": Scenario(label_shift=1 / 6),
        "1 % to 3 % from the third step": Scenario(late_regression=3.0),
    }
    for name, scenario in others.items():
        ended = run_trial(Trial(plan, scenario, 100, 0.1), faulty, processes=processes)
        ratio, canary = rolled_back_ratio(ended), delay(ended, 0.5, "canary_requests")
        value = f"{ratio:.2f} rolled back, {canary:g} canary requests (median)"
        shown.append(Shown("C5", name, value, ">= .95 rolled back", ratio >= 0.95))
    return shown


def canary_users(runs: int, budget_requests: int = 20_000, *, processes: int = 1) -> list[Shown]:
    """C6: users who come ten times and differ in how often they fail, over four steps."""
    steps = tuple(StepPlan(percent, budget_requests, budget_requests) for percent in (5.0, 10.0, 25.0, 50.0))
    plan = ReleasePlan(steps, ERRORS_ONLY, bake_s=0.0)
    trial = Trial(plan, Scenario(heavy_users=10.0), 50)
    first = rolled_back_ratio(run_trial(trial, runs, processes=processes))
    every = rolled_back_ratio(run_trial(replace(trial, count_every=True), runs, processes=processes))
    return [
        Shown(
            "C6", "sticky users, first event of a user: rolled back", f"{first:.3f} of {runs}", "<= .05", first <= 0.05
        ),
        Shown("C6", "the same, counting every event (the mistake)", f"{every:.3f}", "> .2", every > 0.2),
    ]


def cost(rounds: int = 500) -> list[Shown]:
    """S1: processor time of one decision, and the size of everything it needs, late in a release of all guards."""
    plan = plan_from(ReleaseSettings(mirror_ratio=0.1))
    arm = ArmCounters(10_000, 100, 9_000, 80, (5_000, 2_500, 1_000, 500, 100), (4_000, 5_000))
    counters = ReleaseCounters(tuple(StepCounters(arm, arm, 100, 2) for _ in plan.steps))
    state = ReleaseState("release", "model", 1, 2, "ann", plan.sha256, step=len(plan.steps) - 1)
    started_s = time.process_time()
    for _ in range(rounds):
        decide(plan, state, counters, 0.0)
    spent_ms = 1000 * (time.process_time() - started_s) / rounds
    size_bytes = len(json.dumps([plan.to_json(), state.to_json(), counters.to_json()]))
    return [
        Shown(
            "S1", "one decision, all guards, five steps: processor time", f"{spent_ms:.2f} ms", "<= 5 ms", spent_ms <= 5
        ),
        Shown("S1", "plan, state and counters as JSON", f"{size_bytes:,} bytes", "< 10 kB", size_bytes < 10_000),
    ]


def check_values() -> list[tuple[str, float, float]]:
    """X1: what each statistic must give, to 1e-9: name, computed, expected."""
    canary, baseline, shares = [2, 9], [98, 120], (0.01, 0.05)
    starts = log_harm_by_start(canary, baseline, shares)
    return [
        ("errors, process of step 1", float(starts[0]), -0.019218079548),
        ("errors, process of step 2", float(starts[1]), -0.265857850480),
        ("errors, mean over five starts", math.exp(float(log_start_mean(starts, 5))), 0.949502698924),
        ("safe", log_safe(ArmEvents(0.5, 40, 60)), 7.153041463902),
        ("safe, step 2", log_safe(ArmEvents(0.05, 9, 120)), -0.644123672874),
        ("disagreement", float(log_risk(12, 100, 0.05, DISAGREEMENT_GRID)), 2.799263475088),
        ("one class", float(log_other_mix_by_start([[70]], [[500]], (0.1,))[0]), 0.442727975571),
        ("half width, equal arms", float(half_width(1000, 0.16, 1000, 0.1716)), 0.061256016794),
        ("half width, 9:1", float(half_width(9000, 0.16, 1000, 0.1716)), 0.041768906721),
        ("rare events", log_difference([ArmEvents(0.5, 130, 90)]), 1.840939762899),
        ("sample ratio", float(log_mismatch([5200, 4800], [0.5, 0.5])), 6.075817651588),
        ("late labels", float(log_risk(40, 260, 0.12, LABEL_GRID)), 0.450833136681),
    ]


def exactness() -> list[Shown]:
    """X1 as figures."""
    worst = max(abs(computed - expected) for _, computed, expected in check_values())
    return [Shown("X1", "check values: largest difference", f"{worst:.1e}", "<= 1e-9", worst <= 1e-9)]


def targets(processes: int) -> dict[str, Callable[[], list[Shown]]]:
    """Each target in full."""
    return {
        "C1": lambda: canary_healthy(1000, 0.0, processes=processes),
        "C2": lambda: canary_healthy(1000, 0.2, processes=processes),
        "C3": lambda: canary_errors(600, processes=processes),
        "C4": lambda: canary_latency(400, processes=processes),
        "C5": lambda: canary_whole(400, 100, processes=processes),
        "C6": lambda: canary_users(200, processes=processes),
        "A1": lambda: equal_arms(400, processes=processes),
        "A2": lambda: better_arm(1000, processes=processes),
        "A3": lambda: lost_units(400, processes=processes),
        "A4": lambda: worse_guardrail(400, processes=processes),
        "S1": cost,
        "X1": exactness,
    }


def main() -> None:
    """Measures, prints, and writes the table when everything was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="targets, separated by commas")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="how many work at once")
    arguments = parser.parse_args()
    every = targets(arguments.processes)
    shown: list[Shown] = []
    for target in arguments.only.split(",") if arguments.only else every:
        started_s = time.perf_counter()
        shown += every[target]()
        print(f"{target}: {time.perf_counter() - started_s:.0f} s", flush=True)
    print("\n".join(map(row, shown)))
    RESULTS.write_text(page(shown, RESULTS.read_text("utf-8") if RESULTS.exists() else ""), "utf-8")


def row(one: Shown) -> str:
    """A line of the table."""
    met = "met" if one.met else "**missed**"
    return f"| {one.target} | {one.what} | {one.value} | {one.limit} | {met} |"


def page(shown: Sequence[Shown], before: str = "") -> str:
    """The page of figures; of targets that were not run now, those it had before.

    Example:
        >>> one, other = (Shown(target, "what", "1", "<= 2", True) for target in ("C2", "C1"))
        >>> print(page([other], page([one])).splitlines()[-2])
        | C1 | what | 1 | <= 2 | met |
    """
    run = {one.target for one in shown}
    kept = [line for line in before.splitlines() if _TARGET.match(line) and line.split(" ")[1] not in run]
    lines = [
        "# Statistics of releases and experiments", "",
        "Seeded simulation through the real counters and decisions: `python -m benchmarks.statistics`. Delays are in",
        "requests of both versions. Neither the machine nor what else runs on it changes a figure, S1 aside.", "",
        "| target | what | measured | demanded | |", "|---|---|---|---|---|",
    ]  # fmt: skip
    return "\n".join([*lines, *sorted([*kept, *map(row, shown)], key=lambda line: line.split(" ")[1])]) + "\n"


def _delays(target: str, what: str, runs: Sequence[Run], limits: tuple[int, int]) -> Shown:
    median, p95 = delay(runs, 0.5), delay(runs, 0.95)
    met = median <= limits[0] and p95 <= limits[1]
    value, limit = f"{median:,.0f} / {p95:,.0f}", f"<= {limits[0]:,} / {limits[1]:,}"
    return Shown(target, f"{what}: requests, median / p95", value, limit, met)


if __name__ == "__main__":
    main()
