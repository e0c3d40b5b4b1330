"""What findings lead to, and how a release moves. A decision always carries the findings that justify it."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Protocol

from seatrial.domain.assignment import Assignment
from seatrial.domain.errors import ReleasePlanError
from seatrial.domain.evidence import Finding, Verdict, worst
from seatrial.domain.latency import LatencyCounts
from seatrial.domain.release_counters import (
    Arm,
    ArmCounters,
    FrozenBaseline,
    ReleaseCounters,
    ReleasePlace,
    StepCounters,
)
from seatrial.domain.release_plan import (
    FULL_PERCENT,
    Approval,
    GuardPlan,
    HardStop,
    ReleasePlan,
    StepPlan,
    check_percent,
)
from seatrial.domain.release_reports import Report
from seatrial.domain.release_tally import ReleaseTally, Served
from seatrial.domain.traffic import TrafficSplit, WatchedRelease, bucket

__all__ = [
    "SAMPLE_RATIO_CHECK",
    "STEP_CHECK",
    "Action",
    "Approval",
    "Arm",
    "ArmCounters",
    "Decision",
    "FrozenBaseline",
    "GuardPlan",
    "HardStop",
    "MetricSource",
    "Phase",
    "ReleaseCounters",
    "ReleasePlace",
    "ReleasePlan",
    "ReleaseState",
    "ReleaseTally",
    "Report",
    "Served",
    "StepCounters",
    "StepPlan",
    "TrafficRouter",
    "TrafficSplit",
    "WatchedRelease",
    "bucket",
    "check_percent",
    "decide_first_release",
]

SAMPLE_RATIO_CHECK = "release.sample_ratio"
STEP_CHECK = "release.step"


class Action(enum.StrEnum):
    """What is done with a version."""

    ADVANCE = "advance"
    HOLD = "hold"
    PROMOTE = "promote"
    ROLL_BACK = "roll_back"


@dataclass(frozen=True, slots=True)
class Decision:
    """An action on a subject, the reason in one sentence, and the findings it rests on."""

    action: Action
    subject: str
    reason: str
    findings: tuple[Finding, ...]

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dictionary."""
        return {
            "action": self.action.value,
            "subject": self.subject,
            "reason": self.reason,
            "findings": [finding.to_json() for finding in self.findings],
        }


class Phase(enum.StrEnum):
    """Where a release stands."""

    RUNNING = "running"
    PAUSED = "paused"
    BAKING = "baking"
    DONE = "done"
    ROLLED_BACK = "rolled_back"

    @property
    def over(self) -> bool:
        """Whether nothing more will happen."""
        return self in (Phase.DONE, Phase.ROLLED_BACK)


@dataclass(frozen=True, slots=True)
class ReleaseState:
    """Where a release stands; with the plan and the counters, all that a decision needs.

    Attributes:
        release: its identifier; also the salt of its split.
        model: name of the model.
        champion: version that is in production.
        challenger: version that wants to be.
        requester: who asked for the release.
        plan_sha256: digest of the plan it was started with.
        phase: where it stands.
        step: index of the running step, from 0.
        since_s: when step or phase began, seconds since the epoch.
        passed: the running step has been passed, which stays so (approval may still be missing).
        mismatched: units arrived in other shares than configured; no verdict in this step.
    """

    release: str
    model: str
    champion: int
    challenger: int
    requester: str
    plan_sha256: str
    phase: Phase = Phase.RUNNING
    step: int = 0
    since_s: float = 0.0
    passed: bool = False
    mismatched: bool = False

    def __post_init__(self) -> None:
        if self.champion == self.challenger:
            raise ReleasePlanError(
                f"{self.model}@{self.challenger} is in production already: release another version over it."
            )

    @property
    def subject(self) -> str:
        """The version that wants to be in production."""
        return f"{self.model}@{self.challenger}"

    def split(self, plan: ReleasePlan) -> TrafficSplit:
        """The split that this state asks for; a paused release keeps the split of its step."""
        percent = {Phase.BAKING: FULL_PERCENT, Phase.DONE: FULL_PERCENT, Phase.ROLLED_BACK: 0.0}.get(
            self.phase, plan.steps[self.step].percent
        )
        rest = round(FULL_PERCENT - percent, 2)
        return TrafficSplit(self.model, ((self.challenger, percent), (self.champion, rest)), self.release)

    def after(self, decision: Decision, plan: ReleasePlan, now_s: float) -> ReleaseState:
        """The state that a decision leads to. What has been seen once stays seen: a later look cannot unsee it."""
        found = {finding.check: finding.verdict for finding in decision.findings}
        if decision.action is Action.ROLL_BACK:
            return replace(self, phase=Phase.ROLLED_BACK, since_s=now_s)
        if decision.action is Action.PROMOTE:
            return replace(self, phase=Phase.BAKING, since_s=now_s, passed=False, mismatched=False)
        if decision.action is Action.ADVANCE and self.phase is Phase.BAKING:
            return replace(self, phase=Phase.DONE, since_s=now_s)
        if decision.action is Action.ADVANCE:
            if self.step + 1 >= len(plan.steps):
                raise ReleasePlanError("There is no further step to advance to: the last one leads to promotion.")
            return replace(self, step=self.step + 1, since_s=now_s, passed=False, mismatched=False)
        return replace(
            self,
            passed=self.passed or found.get(STEP_CHECK) is Verdict.PASS,
            mismatched=self.mismatched or found.get(SAMPLE_RATIO_CHECK) is Verdict.FAIL,
        )

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dictionary."""
        return {**asdict(self), "phase": self.phase.value}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> ReleaseState:
        """The state that `to_json` wrote.

        Example:
            >>> state = ReleaseState("r-1", "m", 1, 2, "ann", "abc")
            >>> ReleaseState.from_json(state.to_json()) == state
            True
        """
        values = {one.name: document[one.name] for one in fields(cls)}
        return cls(**{**values, "phase": Phase(values["phase"])})


class TrafficRouter(Protocol):
    """Makes a split true, on the local data plane or on a cluster."""

    def apply(
        self,
        split: TrafficSplit,
        *,
        fence: int,
        watched: WatchedRelease | None = None,
        experiment: Assignment | None = None,
    ) -> None:
        """Loads the versions that the split names and makes it true; again is allowed.

        Args:
            fence: number of the lease under which it was decided.
            watched: the release that is counted from now on; None: nothing is.
            experiment: which units get which version, where the split comes of that; None: the split alone says it.

        Raises:
            LeaseLostError: a higher fence has been seen.
            UnreachableError: what routes does not answer; the last split stays.
        """
        ...

    def current(self, model: str) -> TrafficSplit | None:
        """The split that is true now; None where the router knows none.

        Raises:
            UnreachableError: what routes does not answer.
        """
        ...

    def retire(self, model: str, version: int) -> None:
        """Lets go of a version that has no traffic any more; no error where it is not loaded.

        Raises:
            UnreachableError: what routes does not answer.
        """
        ...


class MetricSource(Protocol):
    """Answers what a release has counted so far, in units and in requests."""

    def counters(self, release: str) -> Mapping[str, Report]:
        """What each data plane that knows the release has counted, by its place; empty where none knows it.

        Raises:
            UnreachableError: what counts does not answer.
        """
        ...

    def latencies(self, model: str, version: int) -> LatencyCounts:
        """How long the requests of a version have taken so far.

        Raises:
            UnreachableError: what counts does not answer, or does not serve the version.
        """
        ...


def decide_first_release(subject: str, of_version: Sequence[Finding], of_artifact: Sequence[Finding]) -> Decision:
    """Whether a version may become production where nothing is in production yet.

    There is no champion to compare it with, so every finding about the version and about the artifact that would be
    served must be PASS, and there must be some of each: no data is never success. Findings about other artifacts of
    the version forbid only those.

    Example:
        >>> decide_first_release("m@1", [], []).action.value
        'hold'
    """
    findings = (*of_version, *of_artifact)
    if max(worst(of_version), worst(of_artifact)) is Verdict.PASS:
        reason = f"First release: all {len(findings)} findings about it pass and nothing was in production."
        return Decision(Action.PROMOTE, subject, reason, findings)
    against = [finding for finding in findings if finding.verdict is not Verdict.PASS]
    missing = [what for what, found in (("evaluation", of_version), ("conversion", of_artifact)) if not found]
    reasons = [f"{finding.check} is {finding.verdict.word}" for finding in against] + [
        f"no {w} findings" for w in missing
    ]
    return Decision(Action.HOLD, subject, f"Not released: {'; '.join(reasons)}.", findings)
