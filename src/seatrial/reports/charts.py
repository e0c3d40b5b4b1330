"""The pictures reports share: shares with their intervals, bars, a matrix of counts, claims against observations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seatrial.reports.figures import FONT_PX, figure_svg, label_width_px
from seatrial.reports.formatting import count, percent, shorten, span
from seatrial.reports.palette import ACCENT, FAIL, INK, LINE, MUTED, PAPER, SECOND, Colour

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "Agreement",
    "Share",
    "agreement_chart",
    "bar_chart",
    "draw_axes",
    "interval_chart",
    "matrix_chart",
    "percent_axis",
]

_WIDTH_PX = 900.0
_ROW_PX = 27.0
_FIGURES_PX = (64.0, 200.0, 290.0)  # right ends of the columns share, interval and rows, right of a chart
_LABEL_LETTERS = 28
_ANNOTATED_LABELS = 12


@dataclass(frozen=True, slots=True)
class Share:
    """A measured share with its interval, one row of a chart.

    Attributes:
        label: what it is the share of.
        ratio: the share.
        low: lower end of its interval.
        high: upper end of its interval.
        rows: how many it was measured on.
        prominent: drawn in full colour; the others are only shown.
    """

    label: str
    ratio: float
    low: float
    high: float
    rows: int
    prominent: bool = True


@dataclass(frozen=True, slots=True)
class Agreement:
    """One curve of claimed against observed shares.

    Attributes:
        name: for the legend.
        claimed: of each point.
        observed: of each point.
        weights: how many rows each point stands for.
    """

    name: str
    claimed: Sequence[float]
    observed: Sequence[float]
    weights: Sequence[int]


def interval_chart(shares: Sequence[Share], *, limit: float | None, name: str, description: str) -> Markup:
    """Each share as a dot on its interval, one under the other, with a dashed line at the limit."""

    def draw(figure: Figure) -> None:
        axes = _row_axes(figure, shares)
        lowest = min([share.low for share in shares] + ([limit] if limit is not None else []))
        axes.set_xlim(max(0.0, lowest - 0.03), 1.0)
        for row, share in enumerate(shares):
            colour = (ACCENT if share.prominent else MUTED).light
            axes.plot([share.low, share.high], [row, row], color=colour, linewidth=2, solid_capstyle="round")
            axes.plot([share.ratio], [row], "o", color=colour, markersize=7, markerfacecolor=_fill(share, colour))
        if limit is not None:
            axes.axvline(limit, color=FAIL.light, linewidth=1.2, dashes=(4, 3))
            _above(axes, limit, f"limit {percent(limit, 1)}")

    return figure_svg(draw, _row_size(shares), name=name, description=description)


def bar_chart(shares: Sequence[Share], *, limit: float | None, name: str, description: str) -> Markup:
    """Each share as a bar from zero with its interval, one under the other, the first in full colour."""

    def draw(figure: Figure) -> None:
        axes = _row_axes(figure, shares)
        axes.set_xlim(0.0, 1.0)
        for row, share in enumerate(shares):
            colour = (ACCENT if share.prominent else MUTED).light
            axes.barh([row], [share.ratio], height=0.56, color=colour, alpha=0.85 if share.prominent else 0.45)
            axes.plot([share.low, share.high], [row, row], color=INK.light, linewidth=1.4)
            for end in (share.low, share.high):
                axes.plot([end, end], [row - 0.13, row + 0.13], color=INK.light, linewidth=1.4)
        if limit is not None:
            axes.axvline(limit, color=FAIL.light, linewidth=1.2, dashes=(4, 3))
            _above(axes, limit, f"limit {percent(limit, 1)}")

    return figure_svg(draw, _row_size(shares), name=name, description=description)


def matrix_chart(counts: Sequence[Sequence[int]], labels: Sequence[str], *, name: str, description: str) -> Markup:
    """Counts in cells, rows true and columns answered, each shaded by its share of the row."""
    names = [shorten(label, _LABEL_LETTERS) for label in labels]
    margin = max(map(label_width_px, names)) + 34
    cell = 92.0 if len(labels) <= 3 else max(24.0, min(64.0, 480.0 / len(labels)))
    side = cell * len(labels)
    slanted = max(map(label_width_px, names)) > cell
    top = 34 + (0.75 * (margin - 34) if slanted else FONT_PX)

    def draw(figure: Figure) -> None:
        axes = draw_axes(figure, (margin, top, side, side))
        axes.set_xlim(-0.5, len(labels) - 0.5)
        axes.set_ylim(len(labels) - 0.5, -0.5)
        _draw_cells(axes, counts, annotated=len(labels) <= _ANNOTATED_LABELS, cell=cell)
        axes.xaxis.tick_top()
        axes.xaxis.set_label_position("top")
        axes.set_xticks(range(len(names)), names)
        if slanted:
            axes.tick_params(axis="x", labelrotation=45)
            for label in axes.get_xticklabels():
                label.set_horizontalalignment("left")
        axes.set_yticks(range(len(names)), names)
        axes.set_xlabel("answered", color=MUTED.light, labelpad=8)
        axes.set_ylabel("true", color=MUTED.light, labelpad=8)
        axes.tick_params(length=0, colors=INK.light, pad=6)

    right = margin if slanted else 8.0
    return figure_svg(draw, (margin + side + right, top + side + 8), name=name, description=description)


def agreement_chart(curves: Sequence[Agreement], *, titles: tuple[str, str], name: str, description: str) -> Markup:
    """Claimed against observed shares, the diagonal where both agree, and how the rows spread over the claims.

    Args:
        curves: at most two.
        titles: of the claimed (horizontal) and the observed (vertical) axis.
    """

    def draw(figure: Figure) -> None:
        upper, lower = draw_axes(figure, (52, 34, 380, 300)), draw_axes(figure, (52, 348, 380, 56))
        lowest = max(-0.02, min(value for curve in curves for value in (*curve.claimed, *curve.observed)) - 0.05)
        upper.plot([0, 1], [0, 1], color=MUTED.light, linewidth=1, dashes=(4, 3))
        for place, (curve, colour) in enumerate(zip(curves, (ACCENT, SECOND), strict=False)):
            _draw_curve(upper, curve, colour, place)
            _draw_spread(lower, curve, colour, place)
        upper.set(ylim=(lowest, 1.015))
        upper.set_ylabel(titles[1], color=MUTED.light)
        lower.set_xlabel(titles[0], color=MUTED.light)
        lower.set_ylabel("rows", color=MUTED.light)
        lower.set_yticks([])
        for axes in (upper, lower):
            axes.set_xlim(min(curve.claimed[0] for curve in curves) - 0.05, 1.015)
            percent_axis(axes.xaxis)
        percent_axis(upper.yaxis)
        upper.tick_params(labelbottom=False)
        upper.grid(color=LINE.light, linewidth=0.8)

    return figure_svg(draw, (452, 450), name=name, description=description)


def draw_axes(figure: Figure, box_px: tuple[float, float, float, float]) -> Axes:
    """Axes at (left, top, width, height) in CSS pixels, without a frame, behind everything the page shows."""
    width, height = figure.get_size_inches() * figure.dpi
    left, top, wide, high = box_px
    axes = figure.add_axes((left / width, 1 - (top + high) / height, wide / width, high / height))
    axes.set_facecolor("none")
    axes.set_axisbelow(True)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(length=0, colors=MUTED.light)
    return axes


def _row_size(shares: Sequence[Share]) -> tuple[float, float]:
    return _WIDTH_PX, 30 + _ROW_PX * len(shares) + 30


def _row_axes(figure: Figure, shares: Sequence[Share]) -> Axes:
    """Axes with one line for each share: its label to the left, its figures to the right."""
    labels = [shorten(share.label, _LABEL_LETTERS) for share in shares]
    left = max(map(label_width_px, labels)) + 14
    width = _WIDTH_PX - left - _FIGURES_PX[-1] - 6
    axes = draw_axes(figure, (left, 26, width, _ROW_PX * len(shares)))
    axes.set_ylim(len(shares) - 0.5, -0.5)
    axes.set_yticks([])
    axes.grid(axis="x", color=LINE.light, linewidth=0.8)
    percent_axis(axes.xaxis)
    for row, (share, label) in enumerate(zip(shares, labels, strict=True)):
        axes.text(-left / width, row, label, transform=axes.get_yaxis_transform(), va="center", color=INK.light)
        texts = (percent(share.ratio, 1), span(share.low, share.high), f"n = {count(share.rows)}")
        for text, end_px in zip(texts, _FIGURES_PX, strict=True):
            place = (1 + end_px / width, row)
            axes.text(*place, text, transform=axes.get_yaxis_transform(), ha="right", va="center", color=INK.light)
    return axes


def _fill(share: Share, colour: str) -> str:
    return colour if share.prominent else PAPER.light


def _above(axes: Axes, x: float, text: str) -> None:
    axes.text(x, 1.0, text, transform=axes.get_xaxis_transform(), ha="center", va="bottom", color=FAIL.light)


def percent_axis(axis: Any) -> None:
    """Marks an axis of shares in percent."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda ratio, _: percent(ratio, 0)))


def _draw_cells(axes: Axes, counts: Sequence[Sequence[int]], *, annotated: bool, cell: float) -> None:
    from matplotlib.patches import Rectangle

    for row, cells in enumerate(counts):
        total = sum(cells)
        for column, rows in enumerate(cells):
            share = rows / total if total else 0.0
            colour = ACCENT if row == column else FAIL
            # Never darker than half: the ink on top must stay readable in both colour schemes.
            shade = 0.05 + 0.45 * share
            axes.add_patch(Rectangle((column - 0.48, row - 0.48), 0.96, 0.96, color=colour.light, alpha=shade, lw=0))
            if annotated:
                text = f"{count(rows)}\n{percent(share, 1)}" if cell >= 48 else count(rows)
                axes.text(column, row, text, ha="center", va="center", color=INK.light, linespacing=1.35)


def _draw_curve(axes: Axes, curve: Agreement, colour: Colour, place: int) -> None:
    total = sum(curve.weights)
    axes.plot(curve.claimed, curve.observed, color=colour.light, linewidth=1.8)
    for claimed, observed, weight in zip(curve.claimed, curve.observed, curve.weights, strict=True):
        size = 4 + 10 * (weight / total) ** 0.5
        axes.plot([claimed], [observed], "o", color=colour.light, markersize=size, alpha=0.75, markeredgewidth=0)
    axes.text(0.02, 0.97 - 0.07 * place, f"● {curve.name}", transform=axes.transAxes, va="top", color=colour.light)


def _draw_spread(axes: Axes, curve: Agreement, colour: Colour, place: int) -> None:
    shifted = [claimed + (0.007 if place else -0.007) for claimed in curve.claimed]
    axes.vlines(shifted, 0, list(curve.weights), color=colour.light, linewidth=4, alpha=0.75)
    axes.set_ylim(bottom=0)
