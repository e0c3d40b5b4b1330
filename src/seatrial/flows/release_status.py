"""Where releases stand, as JSON: from the record alone, so that nothing need run to answer."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from seatrial.domain.evidence import Finding, e_value
from seatrial.domain.release import StepCounters
from seatrial.store.releases import ReleaseRecord
from seatrial.wiring.steering import decide
from seatrial.wiring.workshop import Workshop

__all__ = ["listed", "status"]


def listed(workshop: Workshop, model: str) -> list[dict[str, Any]]:
    """Every release of a model in a few words, the latest first."""
    return [_head(record) for record in reversed(workshop.store.releases.of_model(model))]


def status(workshop: Workshop, record: ReleaseRecord, now_s: float) -> dict[str, Any]:
    """One release: step, shares, evidence of each guard, and what is missing."""
    acts = workshop.store.releases.acts(record.state.release)
    counters, state = record.counters, record.state
    decision = decide(record.plan, state, counters, now_s, acts)
    counted = [*counters.steps, *[StepCounters()] * len(record.plan.steps)]
    return {
        **_head(record),
        "split": {str(version): percent for version, percent in state.split(record.plan).percents},
        "steps": [
            {"percent": step.percent, "budget_requests": step.budget_requests, **_requests(counted[place])}
            for place, step in enumerate(record.plan.steps)
        ],
        "bake": {"bake_s": record.plan.bake_s, "requests": counters.bake.requests,
                 "failed_requests": counters.bake.failed_requests},
        "decision": decision.action.value,
        "missing": decision.reason,
        "evidence": _evidence(decision.findings),
        "findings": [finding.to_json() for finding in decision.findings],
        "acts": [finding.to_json() for finding in acts],
        "plan": record.plan.to_json(),
    }  # fmt: skip


def _head(record: ReleaseRecord) -> dict[str, Any]:
    state = record.state
    return {
        "release": state.release,
        "model": state.model,
        "champion": state.champion,
        "challenger": state.challenger,
        "requester": state.requester,
        "phase": state.phase.value,
        "step": state.step + 1,
        "of_steps": len(record.plan.steps),
        "since": datetime.fromtimestamp(state.since_s, UTC).isoformat(timespec="seconds"),
    }


def _requests(step: StepCounters) -> dict[str, int]:
    return {
        "requests": step.requests,
        "challenger_requests": step.challenger.requests,
        "challenger_failed": step.challenger.failed_requests,
        "champion_failed": step.champion.failed_requests,
        "mirrored": step.mirrored,
        "disagreements": step.disagreements,
    }


def _evidence(findings: tuple[Finding, ...]) -> dict[str, float]:
    """The e-value of harm of each guard, and of all together; empty where none was computed."""
    for finding in findings:
        if "log_e_of_guards" in finding.details:
            logs = {**finding.details["log_e_of_guards"], "together": finding.details["log_e"]}
            return {guard: e_value(log_e) for guard, log_e in logs.items()}
    return {}
