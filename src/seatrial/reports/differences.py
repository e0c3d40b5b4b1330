"""Pictures of differences between two arms: each with its interval, now and as units came."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seatrial.reports.charts import draw_axes
from seatrial.reports.figures import figure_svg, label_width_px
from seatrial.reports.formatting import count, number, shorten
from seatrial.reports.palette import ACCENT, FAIL, INK, LINE, MUTED, PASS, Colour

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Difference", "DifferenceAt", "difference_chart", "history_chart"]

_WIDTH_PX = 900.0
_ROW_PX = 34.0
_FIGURES_PX = 290.0
_LABEL_LETTERS = 28
_REACH = 1.15


@dataclass(frozen=True, slots=True)
class Difference:
    """A difference with its interval, one row of a chart; 0 is no difference.

    Attributes:
        label: of what.
        value: the difference.
        low: lower end; None: open.
        high: upper end; None: open.
        limit: what it is held against; None: nothing but 0.
        figures: the same as text.
        gain: True where it is a gain, False where a loss, None where neither is shown.
    """

    label: str
    value: float
    low: float | None
    high: float | None
    limit: float | None
    figures: str
    gain: bool | None

    @property
    def colour(self) -> Colour:
        """Of its interval."""
        return ACCENT if self.gain is None else PASS if self.gain else FAIL

    @property
    def reach(self) -> float:
        """How far from 0 the row has to show."""
        ends = [self.value, *(end for end in (self.low, self.high, self.limit) if end is not None)]
        return _REACH * (max(map(abs, ends)) or 1.0)


@dataclass(frozen=True, slots=True)
class DifferenceAt:
    """A difference after so many units; ends of its interval are None where it is open."""

    units: int
    value: float
    low: float | None
    high: float | None


def difference_chart(rows: Sequence[Difference], *, name: str, description: str) -> Markup:
    """Each difference as a dot on its interval, one under the other, 0 in the middle; every row has its own scale."""

    def draw(figure: Figure) -> None:
        labels = [shorten(row.label, _LABEL_LETTERS) for row in rows]
        left = max(map(label_width_px, labels)) + 14
        width = _WIDTH_PX - left - _FIGURES_PX - 6
        axes = draw_axes(figure, (left, 22, width, _ROW_PX * len(rows)))
        axes.set(xlim=(-1, 1), ylim=(len(rows) - 0.5, -0.5), xticks=[], yticks=[])
        axes.axvline(0.0, color=MUTED.light, linewidth=1.2)
        axes.text(0.0, -0.56, "no difference", ha="center", va="bottom", color=MUTED.light)
        for place, (row, label) in enumerate(zip(rows, labels, strict=True)):
            _draw_row(axes, place, row)
            across = axes.get_yaxis_transform()
            axes.text(-left / width, place, label, transform=across, va="center", color=INK.light)
            end = 1 + _FIGURES_PX / width
            axes.text(end, place, row.figures, transform=across, ha="right", va="center", color=INK.light)

    return figure_svg(draw, (_WIDTH_PX, 22 + _ROW_PX * len(rows) + 8), name=name, description=description)


def history_chart(
    points: Sequence[DifferenceAt], *, limit: float | None, relative: bool, name: str, description: str
) -> Markup:
    """A difference and its interval as units came, with a dashed line at the limit.

    Args:
        points: in the order of their units; an open end is drawn as far as the picture reaches.
        limit: what it is held against; None: nothing but 0.
        relative: the difference is relative to the control, and marked in percent.
        name: of the figure.
        description: for people who cannot see it.
    """

    def draw(figure: Figure) -> None:
        axes = draw_axes(figure, (64, 20, 620, 250))
        units = [point.units for point in points]
        bottom, top = _history_range(points, limit)
        lows = [bottom if point.low is None else point.low for point in points]
        highs = [top if point.high is None else point.high for point in points]
        axes.fill_between(units, lows, highs, color=ACCENT.light, alpha=0.18, linewidth=0)
        axes.plot(units, [point.value for point in points], color=ACCENT.light, linewidth=1.8, marker="o", markersize=3)
        axes.axhline(0.0, color=MUTED.light, linewidth=1.2)
        if limit is not None:
            axes.axhline(limit, color=FAIL.light, linewidth=1.2, dashes=(4, 3))
        axes.set_ylim(bottom, top)
        _mark_axes(axes, relative)

    return figure_svg(draw, (700, 320), name=name, description=description)


def _draw_row(axes: Axes, place: int, row: Difference) -> None:
    colour, reach = row.colour.light, row.reach
    low = -1.0 if row.low is None else row.low / reach
    high = 1.0 if row.high is None else row.high / reach
    axes.plot([low, high], [place, place], color=colour, linewidth=2.4, solid_capstyle="round")
    for end, sign in ((row.low, "<"), (row.high, ">")):
        if end is None:
            axes.plot([-1.0 if sign == "<" else 1.0], [place], sign, color=colour, markersize=7, clip_on=False)
    axes.plot([row.value / reach], [place], "o", color=colour, markersize=7)
    if row.limit is not None:
        ends = (place - 0.34, place + 0.34)
        axes.plot([row.limit / reach] * 2, ends, color=FAIL.light, linewidth=1.4, dashes=(3, 2))


def _history_range(points: Sequence[DifferenceAt], limit: float | None) -> tuple[float, float]:
    """What the later half needs and some room: the wide intervals of the first looks may leave the picture."""
    shown = [0.0] if limit is None else [0.0, limit]
    for point in points[len(points) // 2 :]:
        shown += [end for end in (point.value, point.low, point.high) if end is not None]
    room = 0.25 * (max(shown) - min(shown)) or 1.0
    return min(shown) - room, max(shown) + room


def _mark_axes(axes: Axes, relative: bool) -> None:
    from matplotlib.ticker import FuncFormatter

    def marked(value: float, _: object) -> str:
        return f"{value:+.0%}" if relative and value else number(value)

    axes.xaxis.set_major_formatter(FuncFormatter(lambda units, _: count(round(units))))
    axes.yaxis.set_major_formatter(FuncFormatter(marked))
    axes.set_xlabel("units that count", color=MUTED.light)
    axes.set_ylabel("difference of rates" if relative else "difference", color=MUTED.light)
    axes.grid(color=LINE.light, linewidth=0.8)
