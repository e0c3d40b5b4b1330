"""The picture of a capacity curve: throughput and latency as the number of clients grows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seatrial.reports.charts import draw_axes
from seatrial.reports.figures import figure_svg
from seatrial.reports.formatting import count
from seatrial.reports.palette import ACCENT, LINE, MUTED, SECOND, Colour

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Place", "capacity_chart"]


@dataclass(frozen=True, slots=True)
class Place:
    """What was measured with so many clients."""

    clients: int
    texts_per_s: float
    p50_ms: float
    p99_ms: float


def capacity_chart(places: Sequence[Place], *, name: str, description: str) -> Markup:
    """Texts a second on the left, latencies on the right, over the clients on a logarithmic axis."""
    clients = [place.clients for place in places]

    def draw(figure: Figure) -> None:
        left, right = draw_axes(figure, (60, 40, 350, 230)), draw_axes(figure, (490, 40, 350, 230))
        _line(left, clients, [place.texts_per_s for place in places], ACCENT)
        left.set_title("texts a second", color=MUTED.light, loc="left", pad=14)
        _line(right, clients, [place.p50_ms for place in places], ACCENT)
        _line(right, clients, [place.p99_ms for place in places], SECOND)
        right.set_title("latency in ms", color=MUTED.light, loc="left", pad=14)
        for text, place, colour in (("● p50", 0.72, ACCENT), ("● p99", 0.88, SECOND)):
            right.text(place, 1.06, text, transform=right.transAxes, color=colour.light)
        for axes in (left, right):
            _scale(axes, clients)

    return figure_svg(draw, (860, 320), name=name, description=description)


def _line(axes: Axes, clients: Sequence[int], values: Sequence[float], colour: Colour) -> None:
    axes.plot(clients, values, "o-", color=colour.light, linewidth=1.8, markersize=5)


def _scale(axes: Axes, clients: Sequence[int]) -> None:
    axes.set_xscale("log", base=2)
    axes.minorticks_off()
    axes.set_xticks(list(clients), [count(number) for number in clients])
    axes.set_ylim(bottom=0)
    axes.set_xlabel("clients", color=MUTED.light)
    axes.grid(color=LINE.light, linewidth=0.8)
