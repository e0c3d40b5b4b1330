"""A plan before it is used: many releases on simulated traffic and a fake clock, through the real decision."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from seatrial.domain.evidence import Finding, Verdict
from seatrial.domain.release import (
    Action,
    Decision,
    Phase,
    ReleaseCounters,
    ReleasePlan,
    ReleaseState,
)
from seatrial.release.decide import APPROVAL_CHECK, decide
from seatrial.release.simulation import World, world_for
from seatrial.release.traffic import Scenario, frozen_baseline

__all__ = ["LOOKS_PER_STEP", "Rehearsal", "Run", "rehearse", "rehearse_once"]

LOOKS_PER_STEP = 100
"""How often a step is looked at while its budget is spent."""
_PATIENCE = 3.0
"""A step that is held for so many budgets is left as held."""
_BAKE_LOOKS = 10


@dataclass(frozen=True, slots=True)
class Run:
    """How one rehearsed release ended.

    Attributes:
        decision: `rolled_back`, `promoted` or `held`.
        step: where, from 1; one more than the plan has for the full rollout.
        requests: of both versions during the compared steps.
        canary_requests: of the new version among them.
        failed_canary_requests: those that failed.
        reason: of the last decision.
    """

    decision: str
    step: int
    requests: int
    canary_requests: int
    failed_canary_requests: int
    reason: str


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """All runs of a plan under one scenario."""

    plan: ReleasePlan
    scenario: Scenario
    seed: int
    runs: tuple[Run, ...]

    def count(self, decision: str) -> int:
        """How many runs ended so."""
        return sum(run.decision == decision for run in self.runs)

    def quantile(self, what: str, quantile: float) -> float | None:
        """Of the runs that were rolled back: requests, canary_requests or failed_canary_requests; None without any."""
        values = [getattr(run, what) for run in self.runs if run.decision == "rolled_back"]
        return float(np.quantile(values, quantile, method="higher")) if values else None

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dictionary."""
        return {
            "runs": [asdict(run) for run in self.runs],
            "rolled_back": self.count("rolled_back"),
            "promoted": self.count("promoted"),
            "held": self.count("held"),
            "until_rolled_back": {
                what: {"median": self.quantile(what, 0.5), "p95": self.quantile(what, 0.95)}
                for what in ("requests", "canary_requests", "failed_canary_requests")
            },
            "scenario": asdict(self.scenario),
            "plan": self.plan.to_json(),
            "seed": self.seed,
        }


def rehearse(
    plan: ReleasePlan,
    scenario: Scenario,
    *,
    runs: int,
    seed: int = 0,
    mirror_ratio: float = 0.0,
    tick: Callable[[], object] = lambda: None,
) -> Rehearsal:
    """Releases the same challenger again and again.

    Args:
        plan: what is rehearsed.
        scenario: what is wrong with challenger or traffic.
        runs: how many releases.
        seed: equal seeds give equal runs.
        mirror_ratio: share of the requests that is mirrored.
        tick: called after each run.
    """
    baseline = frozen_baseline(scenario.traffic, plan.guards.latency_tolerance_rungs)
    ended = []
    for child in np.random.SeedSequence(seed).spawn(runs):
        world = world_for(plan, scenario, baseline, mirror_ratio, np.random.default_rng(child))
        ended.append(rehearse_once(plan, world, requests_per_s=scenario.requests_per_s))
        tick()
    return Rehearsal(plan, scenario, seed, tuple(ended))


def rehearse_once(
    plan: ReleasePlan, world: World, *, requests_per_s: float = 50.0, looks_per_step: int = LOOKS_PER_STEP
) -> Run:
    """One release, look after look, until it is over or held for too long. Whoever must approve does so at once."""
    state = ReleaseState("rehearsal", "model", 1, 2, "requester", plan.sha256)
    now_s, decision, left = 0.0, Decision(Action.HOLD, state.subject, "", ()), 0
    world.begin_step()
    while not state.phase.over and left < _PATIENCE * plan.steps[state.step].budget_requests:
        requests = _until_next_look(plan, state, requests_per_s, looks_per_step)
        world.serve(requests)
        now_s += requests / requests_per_s
        decision = decide(plan, state, world.counters(), now_s, [_approval(state)])
        following = state.after(decision, plan, now_s)
        if decision.action in (Action.ADVANCE, Action.PROMOTE):
            left = 0
            world.begin_step()
        elif state.phase is not Phase.BAKING:
            left += requests
        state = following
    return _ended(plan, state, world.counters(), decision)


def _until_next_look(plan: ReleasePlan, state: ReleaseState, requests_per_s: float, looks_per_step: int) -> int:
    if state.phase is Phase.BAKING:
        return max(1, round(plan.bake_s * requests_per_s / _BAKE_LOOKS))
    return max(1, plan.steps[state.step].budget_requests // looks_per_step)


def _approval(state: ReleaseState) -> Finding:
    details = {"step": state.step, "name": "rehearsal"}
    return Finding(APPROVAL_CHECK, state.subject, Verdict.PASS, "Approved in the rehearsal.", details=details)


def _ended(plan: ReleasePlan, state: ReleaseState, counters: ReleaseCounters, decision: Decision) -> Run:
    words = {Phase.ROLLED_BACK: "rolled_back", Phase.DONE: "promoted"}
    canary = [step.challenger for step in counters.steps]
    return Run(
        words.get(state.phase, "held"),
        len(plan.steps) + 1 if counters.bake.requests else state.step + 1,
        sum(step.requests for step in counters.steps),
        sum(arm.requests for arm in canary),
        sum(arm.failed_requests for arm in canary),
        decision.reason,
    )
