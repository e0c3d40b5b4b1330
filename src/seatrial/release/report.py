"""A rehearsal as a page for people."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from seatrial.bundle import write_text_atomically
from seatrial.domain.evidence import Finding, Verdict
from seatrial.domain.latency import LATENCY_RUNG_RATIO
from seatrial.release.power import WANTED_POWER
from seatrial.release.rehearsal import Rehearsal
from seatrial.reports.blocks import Tile, figure, table
from seatrial.reports.curves import Reached, reached_chart
from seatrial.reports.formatting import count, number, percent
from seatrial.reports.page import Page, Section, render_page
from seatrial.stats.clopper_pearson import interval, lower_bound

__all__ = ["HTML_FILE", "is_harmful", "rehearsal_finding", "rehearsal_page", "write_report"]

HTML_FILE = "rehearsal.html"
_QUANTILES = (0.1, 0.5, 0.9, 0.95)
_COUNTED = {
    "requests": "Requests of both versions",
    "canary_requests": "Requests of the new version",
    "failed_canary_requests": "Failed ones among them",
}


def write_report(rehearsal: Rehearsal, directory: Path) -> Path:
    """Writes the page into the directory and returns its path.

    Raises:
        StorageFullError: no room.
        MissingExtraError: jinja2 or matplotlib is not installed.
    """
    path = directory / HTML_FILE
    write_text_atomically(path, render_page(rehearsal_page(rehearsal)))
    return path


def rehearsal_finding(rehearsal: Rehearsal) -> Finding:
    """Whether the plan did in the rehearsal what it is for: let a harmless version pass, stop a harmful one."""
    runs, stopped = len(rehearsal.runs), rehearsal.count("rolled_back")
    ratio, alpha = stopped / runs, rehearsal.plan.alpha
    shown = f"{stopped} of {runs} runs were rolled back"
    if is_harmful(rehearsal):
        verdict = Verdict.PASS if ratio >= WANTED_POWER else Verdict.FAIL
        reason = f"The scenario harms: {shown}, {WANTED_POWER:.0%} or more are wanted."
        return Finding("release.rehearsal", "plan", verdict, reason, ratio, WANTED_POWER, runs)
    verdict = Verdict.FAIL if lower_bound(stopped, runs) > alpha else Verdict.PASS
    reason = f"The scenario is harmless: {shown}; {alpha:.0%} may be."
    return Finding("release.rehearsal", "plan", verdict, reason, ratio, alpha, runs)


def is_harmful(rehearsal: Rehearsal) -> bool:
    """Whether the scenario holds a fault that the plan does not tolerate."""
    scenario, guards = rehearsal.scenario, rehearsal.plan.guards
    tolerated = LATENCY_RUNG_RATIO**guards.latency_tolerance_rungs * (1 + 1e-6)
    return (
        max(scenario.error_rise, scenario.error_rise * scenario.late_regression) > guards.error_tolerance_ratio
        or max(scenario.slowdown, scenario.tail_slowdown * scenario.slowdown) > tolerated
        or scenario.label_shift > 0
        or (guards.disagreement_weight > 0 and scenario.disagreement > guards.disagreement_limit_ratio)
    )


def rehearsal_page(rehearsal: Rehearsal) -> Page:
    """The page about a rehearsal."""
    stopped = rehearsal.count("rolled_back")
    low, high = interval(stopped, len(rehearsal.runs))
    median = rehearsal.quantile("failed_canary_requests", 0.5)
    return Page(
        title="Rehearsal of a release",
        subject=f"{rehearsal.plan.preset} plan",
        findings=[rehearsal_finding(rehearsal)],
        tiles=[
            Tile("Rolled back", percent(stopped / len(rehearsal.runs), 1), f"{percent(low, 1)} to {percent(high, 1)}"),
            Tile("Promoted", count(rehearsal.count("promoted")), f"of {count(len(rehearsal.runs))} runs"),
            Tile("Held", count(rehearsal.count("held")), "neither, for too long"),
            Tile("Failed requests", number(median), "of the new version, median until rolled back"),
        ],
        sections=[_delay_section(rehearsal), _place_section(rehearsal), _scenario_section(rehearsal)],
    )


def _delay_section(rehearsal: Rehearsal) -> Section:
    stopped = [run for run in rehearsal.runs if run.decision == "rolled_back"]
    rows = [
        [title, *(number(rehearsal.quantile(what, quantile)) for quantile in _QUANTILES)]
        for what, title in _COUNTED.items()
    ]
    columns = ["Until rolled back", *(percent(quantile, 0) for quantile in _QUANTILES)]
    blocks = [table(columns, rows, numeric=range(1, 5))]
    if stopped:
        curves = [
            Reached("requests of both versions", [run.requests for run in stopped], len(rehearsal.runs)),
            Reached("requests of the new version", [run.canary_requests for run in stopped], len(rehearsal.runs)),
        ]
        description = f"{len(stopped)} of {len(rehearsal.runs)} runs were rolled back; after how many requests."
        picture = reached_chart(curves, axis="requests", name="delay", description=description)
        blocks.append(figure(picture, "Share of the runs that had been rolled back after so many requests."))
    return Section("How soon", "How much traffic passed until the new version was rolled back.", blocks)


def _place_section(rehearsal: Rehearsal) -> Section:
    places = Counter((run.step, run.decision) for run in rehearsal.runs)
    shares = [f"{step.percent:g} %" for step in rehearsal.plan.steps] + ["100 %"]
    rows = [
        [shares[place], *(count(places[place + 1, decision]) for decision in ("rolled_back", "held", "promoted"))]
        for place in range(len(shares))
    ]
    intro = "The share at which the runs ended."
    return Section("Where", intro, [table(["Share", "Rolled back", "Held", "Promoted"], rows, numeric=(1, 2, 3))])


def _scenario_section(rehearsal: Rehearsal) -> Section:
    document = rehearsal.to_json()["scenario"]
    rows = [[name.replace("_", "-"), number(value)] for name, value in document.items()]
    intro = f"What was simulated; seed {rehearsal.seed}."
    return Section("Scenario", intro, [table(["Name", "Value"], rows, numeric=(1,))])
