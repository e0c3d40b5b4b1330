"""Plans of releases from settings, their forecast and their rehearsal."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from seatrial.config import Settings
from seatrial.domain.evidence import Finding
from seatrial.domain.latency import LatencyCounts
from seatrial.domain.progress import Progress

__all__ = ["Foretold", "Rehearsed", "foretell", "rehearse"]


_HOUR_S = 3600.0
_LEAST_RATE = 0.001
"""Requests a second, the lowest rate a forecast is made for."""


@dataclass(frozen=True, slots=True)
class Foretold:
    """What a plan will cost and find, as JSON, and whether that is enough."""

    document: dict[str, Any]
    finding: Finding


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """How the rehearsed releases ended, as JSON; the finding about it; the page for people."""

    document: dict[str, Any]
    finding: Finding
    report: Path


def foretell(settings: Settings, scenario: Sequence[str], live: LatencyCounts | None = None) -> Foretold:
    """Requests, hours, exposure and power of the plan that the settings describe.

    Args:
        live: what production has answered lately, for the hours; None, or a rate in the scenario: the scenario's.

    Raises:
        ReleasePlanError: the plan is impossible.
        UsageError: the scenario is.
    """
    from seatrial.release.forecast import forecast
    from seatrial.release.presets import plan_from, with_preset
    from seatrial.release.traffic import Scenario

    plan, assumed = plan_from(settings.release), Scenario.parse(scenario)
    origin = "assumed"
    if live is not None and not any(text.startswith("requests-per-s=") for text in scenario):
        assumed = replace(assumed, requests_per_s=max(_LEAST_RATE, live.requests / live.over_s))
        origin = f"from live traffic: {live.requests} requests in {live.over_s / _HOUR_S:.2g} h"
    foretold = forecast(plan, assumed.traffic, with_preset(settings.release).effect_error_ratio)
    rate = {"requests_per_s": assumed.requests_per_s, "requests_per_s_origin": origin}
    return Foretold({**foretold.to_json(), **rate, "plan": plan.to_json()}, foretold.finding)


def rehearse(settings: Settings, scenario: Sequence[str], runs: int, seed: int, progress: Progress) -> Rehearsed:
    """Rehearses the plan that the settings describe, and writes the page about it.

    Raises:
        ReleasePlanError: the plan is impossible.
        UsageError: the scenario is.
        StorageFullError: no room for the page.
    """
    from seatrial.release import rehearsal, report
    from seatrial.release.presets import plan_from
    from seatrial.release.traffic import Scenario

    plan, assumed = plan_from(settings.release), Scenario.parse(scenario)
    started_s = time.perf_counter()
    with progress.step("rehearsing the release", runs) as step:
        ended = rehearsal.rehearse(
            plan, assumed, runs=runs, seed=seed, mirror_ratio=settings.release.mirror_ratio, tick=step.advance
        )
    seconds = time.perf_counter() - started_s
    path = report.write_report(ended, settings.home / "reports" / "release")
    finding = report.rehearsal_finding(ended)
    document = {**ended.to_json(), "seconds": round(seconds, 3), "finding": finding.to_json(), "report": str(path)}
    return Rehearsed(document, finding, path)
