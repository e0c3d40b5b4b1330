"""The deployment test as files: acceptance.json for programs, acceptance.html for people."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seatrial.acceptance.figures import CurvePoint
from seatrial.acceptance.judgement import megabytes
from seatrial.acceptance.trial import Trial
from seatrial.bundle import write_text_atomically
from seatrial.domain.evidence import Finding, worst
from seatrial.reports.blocks import Tile, figure, table
from seatrial.reports.capacity import Place, capacity_chart
from seatrial.reports.formatting import count, number
from seatrial.reports.page import Page, Section, render_page

__all__ = ["HTML_FILE", "JSON_FILE", "trial_document", "trial_page", "write_report"]

HTML_FILE = "acceptance.html"
JSON_FILE = "acceptance.json"


def write_report(trial: Trial, directory: Path) -> Path:
    """Writes both files into the directory, each whole or not at all, and returns the path of the HTML one.

    Raises:
        StorageFullError: no room; files already there stay as they are.
        MissingExtraError: jinja2 or matplotlib is not installed.
    """
    html = render_page(trial_page(trial))
    document = json.dumps(trial_document(trial), indent=1, ensure_ascii=False, allow_nan=False)
    write_text_atomically(directory / JSON_FILE, document)
    write_text_atomically(directory / HTML_FILE, html)
    return directory / HTML_FILE


def trial_document(trial: Trial) -> dict[str, Any]:
    """Findings, capacity curve and the settings they were judged by, as JSON."""
    return {
        "subject": trial.subject,
        "verdict": worst(trial.findings).word,
        "findings": [finding.to_json() for finding in trial.findings],
        "capacity": [
            {
                "clients": point.clients,
                "texts_per_s": point.result.texts_per_s,
                "p50_ms": point.result.answered.p50_ms,
                "p99_ms": point.result.answered.p99_ms,
                "answers": point.result.answered.samples,
                "server_cpu_ms_a_text": point.result.server_cpu_ms_a_text,
                "client_cpu_ratio": point.result.client_cpu_ratio,
            }
            for point in trial.curve
        ],
        "settings": trial.settings.model_dump(),
    }


def trial_page(trial: Trial) -> Page:
    """The page about a deployment test; without a curve it shows what could be found."""
    return Page(
        title="Deployment test",
        subject=trial.subject,
        findings=trial.findings,
        tiles=_tiles({finding.check: finding for finding in trial.findings}),
        sections=[_curve_section(trial.curve), _settings_section(trial)] if trial.curve else [_settings_section(trial)],
    )


def _tiles(found: dict[str, Finding]) -> list[Tile]:
    shown = (
        ("Start", "acceptance.start_up", lambda value: f"{value:.1f} s", "until ready"),
        ("Memory", "acceptance.memory_at_rest", megabytes, "resident, at rest"),
        ("Latency", "acceptance.latency", lambda value: f"{value:.0f} ms", "p99 at the stated rate"),
        ("Throughput", "acceptance.throughput", lambda value: f"{count(round(value))}/s", "texts"),
        ("Recovery", "acceptance.recovery", lambda value: f"{value:.1f} s", "after the overload"),
    )
    return [
        Tile(name, "–" if (value := found[check].value) is None else as_text(value), what)
        for name, check, as_text, what in shown
    ]


def _curve_section(curve: Sequence[CurvePoint]) -> Section:
    places = [
        Place(point.clients, point.result.texts_per_s, point.result.answered.p50_ms, point.result.answered.p99_ms)
        for point in curve
    ]
    best = max(places, key=lambda place: place.texts_per_s)
    description = f"Texts a second and latency by clients; at most {best.texts_per_s:.0f} with {best.clients}."
    picture = capacity_chart(places, name="capacity", description=description)
    rows = [
        [count(place.clients), f"{place.texts_per_s:.0f}", f"{place.p50_ms:.1f}", f"{place.p99_ms:.1f}",
         count(point.result.answered.samples)]
        for place, point in zip(places, curve, strict=True)
    ]  # fmt: skip
    intro = "Clients that each have one request of one text under way; measured on the machine that made the test."
    blocks = [
        figure(
            picture, "More clients than the machine has cores for only wait: latency rises where texts no longer do."
        ),
        table(["Clients", "Texts/s", "p50 ms", "p99 ms", "Answers"], rows, numeric=range(5)),
    ]
    return Section("Capacity", intro, blocks)


def _settings_section(trial: Trial) -> Section:
    rows = [[name, _as_text(value)] for name, value in trial.settings.model_dump().items()]
    return Section("Limits", "Section [acceptance] of the settings.", [table(["Setting", "Value"], rows, numeric=(1,))])


def _as_text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else number(value)
