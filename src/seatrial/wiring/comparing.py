"""What an experiment shows: the data plane's journal, read from here or over HTTP, through the step that compares."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seatrial.config import Settings
from seatrial.domain.errors import UnreachableError
from seatrial.domain.evidence import Finding
from seatrial.domain.experiment import Better, ExperimentPlan, Metric, MetricKind
from seatrial.domain.readout import Readout
from seatrial.store.experiments import ExperimentRecord
from seatrial.wiring.steering import Steering

__all__ = ["Compared", "compare", "journal_pages", "own_metric", "units_needed", "write_page"]

_PAGE_ENTRIES = 5_000

Page = tuple[list[Mapping[str, Any]], bool]


@dataclass(frozen=True, slots=True)
class Compared:
    """One look at an experiment.

    Attributes:
        readout: what it shows.
        findings: the same as claims about the treatment.
        observations: what that rests on, as JSON.
        missed: journal entries were deleted while they were being read.
        looks: readouts on the way to this one, the latest last.
    """

    readout: Readout
    findings: tuple[Finding, ...]
    observations: dict[str, Any]
    missed: bool
    looks: tuple[Readout, ...]


def compare(settings: Settings, steering: Steering, record: ExperimentRecord, now_s: float) -> Compared:
    """Reads the whole journal, page by page, and says what the experiment shows by now.

    Raises:
        UnreachableError: the data plane that has the journal does not answer.
    """
    from seatrial.experiments.feeding import Feeder
    from seatrial.experiments.findings import readout_findings

    missed = False
    with Feeder(record.plan, record.epochs) as feeder:
        for entries, gap in journal_pages(settings, steering):
            feeder.take(entries)
            missed = missed or gap
        seen = feeder.seen(now_s)
    return Compared(seen.readout, readout_findings(seen.readout), seen.observations.to_json(), missed, seen.looks)


def units_needed(
    settings: Settings, metric: Metric, *, value: float, effect: float, deviation: float | None, share_percent: float
) -> dict[str, float | str | None]:
    """Units until a metric shows an effect, or a guardrail its margin; see `experiments.planning`.

    Args:
        value: of the metric today.
        effect: the difference to be shown, in the metric's unit, of a rare one relative; 0: its least gain.
        deviation: standard deviation over units; None: that of a metric of 0 and 1.
        share_percent: the treatment's share of the units.

    Returns:
        ``metric``, and units of both versions: ``median`` and ``wanted_power``, and of the latter ``exposed``; None
        where so many are not enough.

    Raises:
        ExperimentPlanError: the metric cannot have these values, or there is no effect to look for.
    """
    from seatrial.experiments import planning

    metrics, guardrails = ((Metric("primary"),), (metric,)) if metric.margin else ((metric,), ())
    plan = ExperimentPlan("plan", settings.model.name, 1, 2, metrics, guardrails, settings.experiments.alpha)
    expected = planning.Expectation(value, effect, deviation)
    needed = planning.units_needed(plan, metric, expected, treatment_percent=share_percent)
    figures = {name: getattr(needed, name) for name in ("median", "wanted_power", "exposed")}
    return {"metric": metric.name, **{name: units if math.isfinite(units) else None for name, units in figures.items()}}


def write_page(settings: Settings, record: ExperimentRecord, compared: Compared) -> Path:
    """Writes the page about an experiment and returns its path.

    Raises:
        StorageFullError: no room.
        MissingExtraError: jinja2 or matplotlib is not installed.
    """
    from seatrial.experiments.report import write_report

    directory = settings.home / "reports" / "experiments" / record.plan.experiment
    return write_report(record.plan, record.epochs, compared.looks, directory)


def journal_pages(settings: Settings, steering: Steering) -> Iterator[Page]:
    """Every page of the journal, oldest first, and whether entries before it were deleted unread.

    A data plane named by control.data_plane_url is asked for its journal; else it is read where this project keeps it.

    Raises:
        UnreachableError: the data plane does not answer, or keeps no journal.
    """
    after = ""
    while True:
        read = _read_remote if settings.control.data_plane_url else _read_here
        entries, following, missed = read(settings, steering, after)
        if following == after:
            return
        yield entries, missed
        after = following


def own_metric(name: str) -> Metric | None:
    """A metric that needs no feedback figures, with the form that fits it; None where the name is of no such metric."""
    from seatrial.experiments.feeding import FAILED, LABEL_CORRECT, LATENCY_S

    known = {
        LABEL_CORRECT: Metric(LABEL_CORRECT, MetricKind.RATIO),
        FAILED: Metric(FAILED, MetricKind.RARE, Better.LOWER),
        LATENCY_S: Metric(LATENCY_S, MetricKind.RATIO, Better.LOWER),
    }
    return known.get(name)


def _read_here(settings: Settings, _: Steering, after: str) -> tuple[list[Mapping[str, Any]], str, bool]:
    from seatrial.serving.journal_format import Cursor
    from seatrial.serving.journal_reader import JournalReader

    page = JournalReader(settings.journal_dir).read_bodies(Cursor.parse(after), _PAGE_ENTRIES)
    following = str(page.next)
    unmoved = not after and not page.bodies and not page.damaged and page.next == Cursor.parse("")
    return [json.loads(body) for body in page.bodies], after if unmoved else following, page.missed


def _read_remote(_: Settings, steering: Steering, after: str) -> tuple[list[Mapping[str, Any]], str, bool]:
    from seatrial.release.data_plane import Refusal

    if steering.plane is None:
        raise UnreachableError("There is no data plane to ask for its journal: set control.data_plane_url.")
    query = {"limit": str(_PAGE_ENTRIES)} | ({"after": after} if after else {})
    try:
        page = steering.plane.ask("GET", "/admin/journal", query=query)
    except Refusal as refusal:
        raise UnreachableError(
            f"The data plane keeps no journal ({refusal}): set serving.journal to on and restart it."
        ) from refusal
    unmoved = not after and not page["entries"] and not page["damaged"]
    return page["entries"], after if unmoved else page["next"], page["missed"]
