"""Plans people need not write: from the settings of a project, or from a preset where they say nothing."""

from __future__ import annotations

from typing import Any

from seatrial.config import ReleaseSettings
from seatrial.domain.errors import ReleasePlanError
from seatrial.domain.release import GuardPlan, HardStop, ReleasePlan, StepPlan
from seatrial.domain.release_plan import FULL_PERCENT

__all__ = ["PRESETS", "plan_from", "with_preset"]

_DISAGREEMENT_WEIGHT = 0.1

PRESETS: dict[str, dict[str, Any]] = {
    "standard": {},  # the defaults of the settings
    "demo": {
        "steps": (10.0, 50.0, 100.0),
        "min_requests": 500,
        "budget_requests": 2_000,
        "bake_s": 60.0,
        "effect_error_ratio": 10.0,
    },
}
"""What each preset sets; a setting that somebody wrote is stronger."""


def with_preset(settings: ReleaseSettings) -> ReleaseSettings:
    """The settings with what their preset says wherever nobody wrote anything."""
    preset = {key: value for key, value in PRESETS[settings.preset].items() if key not in settings.model_fields_set}
    return settings.model_copy(update=preset)


def plan_from(settings: ReleaseSettings) -> ReleasePlan:
    """The plan that the settings describe.

    Raises:
        ReleasePlanError: its shares or limits are impossible.

    Example:
        >>> [step.percent for step in plan_from(ReleaseSettings()).steps]
        [1.0, 5.0, 10.0, 25.0, 50.0]
    """
    chosen = with_preset(settings)
    if not chosen.steps or chosen.steps[-1] != FULL_PERCENT:
        raise ReleasePlanError(
            f"release.steps ends at {chosen.steps[-1]:g} %: the last one is 100." if chosen.steps else
            "release.steps is empty: name the shares, the last one 100."
        )  # fmt: skip
    return ReleasePlan(
        steps=tuple(
            StepPlan(percent, chosen.min_requests, chosen.budget_requests, chosen.approval)
            for percent in chosen.steps[:-1]
        ),
        guards=GuardPlan(
            error_tolerance_ratio=chosen.error_tolerance_ratio,
            latency_tolerance_rungs=chosen.latency_tolerance_rungs,
            disagreement_limit_ratio=chosen.disagreement_limit_ratio,
            disagreement_weight=_DISAGREEMENT_WEIGHT if chosen.mirror_ratio > 0 else 0.0,
        ),
        hard_stop=HardStop(chosen.hard_stop_error_ratio, chosen.hard_stop_min_requests),
        alpha=chosen.alpha,
        on_budget=chosen.on_budget,
        step_timeout_s=chosen.step_timeout_s,
        on_timeout=chosen.on_timeout,
        bake_s=chosen.bake_s,
        preset=chosen.preset,
    )
