"""What a release should do, fixed before its first request: steps, guards, limits, policies."""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from seatrial.domain.errors import ReleasePlanError
from seatrial.domain.latency import LATENCY_LADDER_S

__all__ = ["Approval", "GuardPlan", "HardStop", "ReleasePlan", "StepPlan", "check_percent"]

Approval = Literal["none", "anyone", "another"]
"""Who must agree before a step is left: nobody, anyone, or anyone but the person who asked for the release."""

FULL_PERCENT = 100.0


@dataclass(frozen=True, slots=True)
class StepPlan:
    """One share of the traffic, and how long it is looked at.

    Attributes:
        percent: the challenger's share, above 0 and below 100, in hundredths of a percent.
        min_requests: requests of both arms before the step may be called safe.
        budget_requests: requests of both arms after which a step without alarm is passed.
        approval: who must agree before the step is left.
    """

    percent: float
    min_requests: int = 4_000
    budget_requests: int = 20_000
    approval: Approval = "none"

    def __post_init__(self) -> None:
        check_percent(self.percent)
        if not 0 < self.percent < FULL_PERCENT:
            raise ReleasePlanError(
                f"A step at {self.percent:g} % compares nothing: use a share above 0 and below 100; the full rollout "
                "follows the last step by itself."
            )
        if not 1 <= self.min_requests <= self.budget_requests:
            raise ReleasePlanError(
                f"A step of at least {self.min_requests} and at most {self.budget_requests} requests is impossible: "
                "min_requests is at least 1 and no more than budget_requests."
            )
        if self.approval not in ("none", "anyone", "another"):
            raise ReleasePlanError(f"approval {self.approval!r} is none of none, anyone, another.")

    @property
    def share_ratio(self) -> float:
        """The challenger's share, 0 to 1."""
        return self.percent / FULL_PERCENT


@dataclass(frozen=True, slots=True)
class GuardPlan:
    """What is watched, and what is tolerated; a weight of 0 leaves a guard out.

    Attributes:
        error_weight: of the guard on errors.
        latency_weight: of the guard on latency.
        class_weight: of the guard on the classes answered.
        disagreement_weight: of the guard on mirrored requests; 0 unless requests are mirrored.
        error_tolerance_ratio: a challenger with up to so many times the champion's errors is not harmful.
        latency_tolerance_rungs: slower by so many rungs of 10 % is not harmful.
        disagreement_limit_ratio: share of mirrored requests that may be answered otherwise.
    """

    error_weight: float = 0.4
    latency_weight: float = 0.4
    class_weight: float = 0.1
    disagreement_weight: float = 0.0
    error_tolerance_ratio: float = 1.0
    latency_tolerance_rungs: int = 1
    disagreement_limit_ratio: float = 0.05

    def __post_init__(self) -> None:
        weights = (self.error_weight, self.latency_weight, self.class_weight, self.disagreement_weight)
        if not all(math.isfinite(weight) and weight >= 0 for weight in weights) or not sum(weights):
            raise ReleasePlanError(
                "Weights of guards are never negative, and one at least is above 0: nothing is watched."
            )
        if not (math.isfinite(self.error_tolerance_ratio) and self.error_tolerance_ratio > 0):
            raise ReleasePlanError(f"error_tolerance_ratio is above 0, not {self.error_tolerance_ratio}.")
        if not 0 <= self.latency_tolerance_rungs < len(LATENCY_LADDER_S) - 1:
            raise ReleasePlanError(
                f"latency_tolerance_rungs counts rungs of 10 % and is at least 0, not {self.latency_tolerance_rungs}."
            )
        if not 0 < self.disagreement_limit_ratio < 0.999:
            raise ReleasePlanError(
                f"disagreement_limit_ratio lies between 0 and 0.999, not {self.disagreement_limit_ratio}."
            )


@dataclass(frozen=True, slots=True)
class HardStop:
    """A plain limit beside the statistics: no test, and therefore set far from what is normal.

    Attributes:
        error_ratio: share of failed requests of the challenger, in the running step, from which on it is rolled back;
            during a step only while the champion stays below it.
        min_requests: requests of the challenger before the share is looked at.
    """

    error_ratio: float = 0.25
    min_requests: int = 100

    def __post_init__(self) -> None:
        if not 0 < self.error_ratio <= 1 or self.min_requests < 1:
            raise ReleasePlanError(
                f"A hard stop at a share of {self.error_ratio} of at least {self.min_requests} requests is impossible: "
                "the share lies above 0 and not above 1, the requests are at least 1."
            )


@dataclass(frozen=True, slots=True)
class ReleasePlan:
    """A whole release before it begins.

    Attributes:
        steps: the compared steps, their shares rising; the full rollout follows the last.
        guards: what is watched.
        hard_stop: the plain limit beside it.
        alpha: probability that a harmless challenger is rolled back, over all looks, guards and steps together.
        on_budget: what a step does whose budget is spent without alarm: `advance`, or `wait` until it is proven safe.
        step_timeout_s: time after which a step without enough traffic is given up; 0: never.
        on_timeout: what happens then: `hold` (and say so) or `roll_back`.
        bake_s: time after the full rollout in which the previous version stays loaded and may still return.
        preset: name of what the plan was made from, for people.
    """

    steps: tuple[StepPlan, ...]
    guards: GuardPlan = field(default_factory=GuardPlan)
    hard_stop: HardStop = field(default_factory=HardStop)
    alpha: float = 0.05
    on_budget: Literal["advance", "wait"] = "advance"
    step_timeout_s: float = 0.0
    on_timeout: Literal["hold", "roll_back"] = "hold"
    bake_s: float = 3600.0
    preset: str = "custom"

    def __post_init__(self) -> None:
        shares = [step.percent for step in self.steps]
        if not shares:
            raise ReleasePlanError("A release without a step below 100 % compares nothing: add one.")
        if any(later <= earlier for earlier, later in itertools.pairwise(shares)):
            raise ReleasePlanError(
                f"The shares of the steps must rise, not {', '.join(f'{share:g}' for share in shares)}: "
                "a canary that shrinks is a rollback."
            )
        if not 0 < self.alpha < 1:
            raise ReleasePlanError(f"alpha lies between 0 and 1, not {self.alpha}.")
        for name in ("step_timeout_s", "bake_s"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) >= 0):
                raise ReleasePlanError(f"{name} is a time of at least 0 s, not {getattr(self, name)}.")
        if self.on_budget not in ("advance", "wait") or self.on_timeout not in ("hold", "roll_back"):
            raise ReleasePlanError("on_budget is advance or wait; on_timeout is hold or roll_back.")

    @property
    def sha256(self) -> str:
        """Digest of the plan: a release goes on only under the plan it was started with."""
        return _sha256(self)

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dictionary."""
        return {**asdict(self), "steps": [asdict(step) for step in self.steps]}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> ReleasePlan:
        """The plan that `to_json` wrote.

        Raises:
            ReleasePlanError: it is none, or an impossible one.

        Example:
            >>> plan = ReleasePlan((StepPlan(10.0), StepPlan(50.0)))
            >>> ReleasePlan.from_json(plan.to_json()) == plan
            True
        """
        try:
            return cls(
                **{
                    **document,
                    "steps": tuple(StepPlan(**step) for step in document["steps"]),
                    "guards": GuardPlan(**document["guards"]),
                    "hard_stop": HardStop(**document["hard_stop"]),
                }
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ReleasePlanError(
                f"This is no release plan ({error}): it needs what a plan writes as JSON."
            ) from error


@functools.lru_cache(maxsize=64)
def _sha256(plan: ReleasePlan) -> str:
    return hashlib.sha256(json.dumps(plan.to_json(), sort_keys=True).encode()).hexdigest()


def check_percent(percent: float) -> float:
    """The percentage, if it can be the share of a version.

    Raises:
        ReleasePlanError: it cannot.

    Example:
        >>> check_percent(12.5)
        12.5
    """
    if not (math.isfinite(percent) and 0 <= percent <= FULL_PERCENT):
        raise ReleasePlanError(f"A share of {percent} % is impossible: it lies between 0 and 100.")
    if round(percent, 2) != percent:
        raise ReleasePlanError(f"A share of {percent} % is too fine for a router: use hundredths of a percent.")
    return percent
