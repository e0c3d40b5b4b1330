"""The evaluation as files: evaluation.json for programs, evaluation.html for people."""

from __future__ import annotations

import json
from pathlib import Path

from seatrial.bundle import write_text_atomically
from seatrial.evaluation.evaluate import Evaluation
from seatrial.evaluation.sections import Report, dataset_section, measured_sections
from seatrial.reports.blocks import Tile
from seatrial.reports.formatting import decimal, percent, span
from seatrial.reports.page import Page, render_page

__all__ = ["HTML_FILE", "JSON_FILE", "evaluation_page", "write_report"]

HTML_FILE = "evaluation.html"
JSON_FILE = "evaluation.json"


def write_report(evaluation: Evaluation, directory: Path) -> Path:
    """Writes both files into the directory, each whole or not at all, and returns the path of the HTML one.

    Raises:
        StorageFullError: no room; files already there stay as they are.
        MissingExtraError: jinja2 or matplotlib is not installed.
    """
    html = render_page(evaluation_page(evaluation))
    document = json.dumps(evaluation.report, indent=1, ensure_ascii=False, allow_nan=False)
    # A label or domain may hold half a surrogate pair, which JSON can say and UTF-8 cannot.
    write_text_atomically(directory / JSON_FILE, document.encode("utf-8", "replace").decode("utf-8"))
    write_text_atomically(directory / HTML_FILE, html)
    return directory / HTML_FILE


def evaluation_page(evaluation: Evaluation) -> Page:
    """The page about an evaluation; where nothing could be judged it shows why, and the data."""
    report = evaluation.report
    measured = "accuracy" in report
    return Page(
        title="Evaluation",
        subject=report["subject"],
        findings=evaluation.findings,
        tiles=_tiles(report) if measured else (),
        sections=[*(measured_sections(report) if measured else ()), dataset_section(report)],
    )


def _tiles(report: Report) -> list[Tile]:
    accuracy, calibration = report["accuracy"], report["calibration"]
    leaning = "over-confident as served" if calibration["temperature"] > 1 else "under-confident as served"
    return [
        Tile("Accuracy", percent(accuracy["ratio"], 1), span(accuracy["low"], accuracy["high"])),
        Tile("Macro F1", decimal(report["macro_f1"]), "mean over classes"),
        Tile("Area under ROC", decimal(report["area_under_roc"]), "0.5 is chance"),
        Tile("Log loss", decimal(calibration["log_loss"]), "nats"),
        Tile("Calibration error", decimal(calibration["ece"]), "0 is perfect"),
        Tile("Temperature", f"{calibration['temperature']:.2f}", leaning),
    ]
