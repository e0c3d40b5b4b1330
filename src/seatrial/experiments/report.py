"""An experiment as a page for people."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from seatrial.bundle import write_text_atomically
from seatrial.domain.experiment import Epoch, ExperimentPlan, Metric
from seatrial.domain.readout import Judgement, MetricReadout, Readout, Standing
from seatrial.experiments.findings import readout_findings
from seatrial.reports.blocks import Tile, figure, note, table
from seatrial.reports.differences import Difference, DifferenceAt, difference_chart, history_chart
from seatrial.reports.formatting import count, number, percent
from seatrial.reports.page import Page, Section, render_page

if TYPE_CHECKING:
    from markupsafe import Markup

__all__ = ["HTML_FILE", "experiment_page", "write_report"]

HTML_FILE = "experiment.html"
_WORDS = {
    Judgement.SHIP: "ship",
    Judgement.KEEP: "keep the control",
    Judgement.HARMFUL: "harmful",
    Judgement.COLLECT: "keep collecting",
    Judgement.BLOCKED: "blocked",
}
_GAINS = {Standing.BETTER: True, Standing.WORSE: False}
_MOST_POINTS = 400


def write_report(plan: ExperimentPlan, epochs: Sequence[Epoch], looks: Sequence[Readout], directory: Path) -> Path:
    """Writes the page into the directory and returns its path.

    Args:
        plan: of the experiment.
        epochs: in their order.
        looks: its readouts, the latest last.

    Raises:
        ValueError: there is no look.
        StorageFullError: no room.
        MissingExtraError: jinja2 or matplotlib is not installed.
    """
    path = directory / HTML_FILE
    write_text_atomically(path, render_page(experiment_page(plan, epochs, looks)))
    return path


def experiment_page(plan: ExperimentPlan, epochs: Sequence[Epoch], looks: Sequence[Readout]) -> Page:
    """The page about an experiment at its latest look."""
    if not looks:
        raise ValueError("An experiment that was never looked at has no page: read it out first.")
    latest = looks[-1]
    return Page(
        title="Experiment",
        subject=f"{plan.model}@{plan.treatment} against @{plan.control}",
        findings=readout_findings(latest),
        tiles=[
            Tile("Verdict", _WORDS[latest.judgement]),
            Tile("Control", count(latest.control_units), f"units came to version {plan.control}"),
            Tile("Treatment", count(latest.treatment_units), f"units came to version {plan.treatment}"),
            Tile("Outcome window", f"{number(plan.outcome_window_s / 3600)} h", "from a unit's first exposure"),
        ],
        sections=[_now_section(plan, latest), *_history_sections(plan, looks), _plan_section(plan, epochs)],
    )


def _now_section(plan: ExperimentPlan, latest: Readout) -> Section:
    shown = [
        _row(metric, read)
        for metric, read in zip(plan.watched, latest.metrics, strict=True)
        if read.difference is not None
    ]
    columns = ["Metric", "Role", "Units", "Control", "Treatment", "e-value", "Standing"]
    rows = [
        [read.metric, "guardrail" if read.guardrail else "primary", count(read.control_units + read.treatment_units),
         number(read.control_value), number(read.treatment_value), number(read.e_value),
         read.standing.value.replace("_", " ")]
        for read in latest.metrics
    ]  # fmt: skip
    blocks: list[Markup] = [note(latest.reason)]
    if shown:
        description = "; ".join(f"{row.label}: {row.figures}" for row in shown)
        caption = (
            "Treatment minus control (of rare events: relative to the control) with intervals that hold at every look; "
            "dashed: the margin of a guardrail, or the least gain that is worth it. Each row has its own scale."
        )
        blocks.append(figure(difference_chart(shown, name="differences", description=description), caption))
    blocks.append(table(columns, rows, numeric=range(2, 6)))
    return Section("Metrics", "What the units show whose outcome window is over.", blocks)


def _row(metric: Metric, read: MetricReadout) -> Difference:
    return Difference(
        label=f"{read.metric} (guardrail)" if read.guardrail else read.metric,
        value=read.difference or 0.0,
        low=read.low,
        high=read.high,
        limit=_limit(metric),
        figures=f"{_figure(read, read.difference)} ({_figure(read, read.low)} to {_figure(read, read.high)})",
        gain=_GAINS.get(read.standing),
    )


def _limit(metric: Metric) -> float | None:
    """The difference that the metric is held against beside 0."""
    limit = metric.better.sign * (metric.least_gain - metric.margin)
    return limit or None


def _figure(read: MetricReadout, difference: float | None) -> str:
    if difference is None:
        return "open"
    return f"{difference:+.1%}" if read.relative else f"{difference:+.4g}"


def _history_sections(plan: ExperimentPlan, looks: Sequence[Readout]) -> list[Section]:
    """A picture of each metric that had an interval at two looks or more."""
    sections = []
    for place, metric in enumerate(plan.watched):
        points = _thinned([_point(read) for look in looks if (read := look.metrics[place]).difference is not None])
        if len(points) < 2:
            continue
        description = f"The difference of {metric.name} after {points[0].units} to {points[-1].units} units."
        picture = history_chart(
            points, limit=_limit(metric), relative=looks[-1].metrics[place].relative,
            name=f"history-{place}", description=description,
        )  # fmt: skip
        caption = "The interval may be looked at whenever one likes: it holds at all looks together."
        sections.append(Section(f"{metric.name} as units came", metric.kind.value, [figure(picture, caption)], False))
    return sections


def _point(read: MetricReadout) -> DifferenceAt:
    return DifferenceAt(read.control_units + read.treatment_units, read.difference or 0.0, read.low, read.high)


def _thinned(points: Sequence[DifferenceAt]) -> Sequence[DifferenceAt]:
    """At most so many points as a picture can show, the latest among them."""
    stride = -(-len(points) // _MOST_POINTS) if points else 1
    return points[::-1][::stride][::-1]


def _plan_section(plan: ExperimentPlan, epochs: Sequence[Epoch]) -> Section:
    shares = ", ".join(f"{epoch.treatment_percent:g} %" for epoch in epochs)
    rows = [
        ["Share of new units for the treatment, by epoch", shares],
        ["alpha", percent(plan.alpha, 1)],
        ["Pre-period", f"{number(plan.pre_period_s / 3600)} h" if plan.pre_period_s else "none"],
        ["Most units", count(plan.most_units) if plan.most_units else "no end"],
    ]
    for metric in plan.watched:
        limit = _limit(metric)
        held = f", held against {number(limit)}" if limit is not None else ""
        rows.append([metric.name, f"{metric.kind.value}, {metric.better.value} is better{held}"])
    return Section("Plan", "Fixed before the first unit.", [table(["Name", "Value"], rows)])
