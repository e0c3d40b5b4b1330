"""Pictures of what happens as something grows: curves over a running total."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seatrial.reports.charts import draw_axes, percent_axis
from seatrial.reports.figures import figure_svg
from seatrial.reports.formatting import count
from seatrial.reports.palette import ACCENT, LINE, MUTED, SECOND

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.figure import Figure

__all__ = ["Reached", "reached_chart"]


@dataclass(frozen=True, slots=True)
class Reached:
    """When each of some runs reached something.

    Attributes:
        name: for the legend.
        totals: the running total at which each run that reached it did.
        runs: all runs; the curve ends below 100 % where some never did.
    """

    name: str
    totals: Sequence[int]
    runs: int


def reached_chart(curves: Sequence[Reached], *, axis: str, name: str, description: str) -> Markup:
    """The share of the runs that had reached it, over the running total on a logarithmic axis; at most two curves.

    Args:
        curves: what is drawn.
        axis: what the total counts.
        name: of the figure.
        description: for people who cannot see it.
    """

    def draw(figure: Figure) -> None:
        from matplotlib.ticker import FuncFormatter

        axes = draw_axes(figure, (52, 20, 620, 260))
        for place, (curve, colour) in enumerate(zip(curves, (ACCENT, SECOND), strict=False)):
            totals = sorted(max(1, total) for total in curve.totals)
            shares = [(rank + 1) / curve.runs for rank in range(len(totals))]
            if totals:
                axes.step([totals[0], *totals], [0.0, *shares], where="post", color=colour.light, linewidth=1.8)
            axes.text(
                0.02, 0.95 - 0.08 * place, f"● {curve.name}", transform=axes.transAxes, va="top", color=colour.light
            )
        axes.set_xscale("log")
        axes.minorticks_off()
        axes.xaxis.set_major_formatter(FuncFormatter(lambda total, _: count(round(total))))
        axes.set_ylim(-0.02, 1.02)
        percent_axis(axes.yaxis)
        axes.set_xlabel(axis, color=MUTED.light)
        axes.set_ylabel("runs rolled back", color=MUTED.light)
        axes.grid(color=LINE.light, linewidth=0.8)

    return figure_svg(draw, (690, 330), name=name, description=description)
