"""Throughput and latency over clients, latency over load: SVG files beside the results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seatrial.reports.figures import figure_svg
from seatrial.reports.palette import ACCENT, COLOURS, INK, LINE, MUTED, SECOND, Colour

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SIZE = (860.0, 320.0)
_FONT = "font: 12px system-ui, sans-serif"


class Curve:
    """Points of one line, with its name.

    Attributes:
        points: (x, y) of each point.
    """

    def __init__(self, name: str, points: Sequence[tuple[float, float]], colour: Colour) -> None:
        self.name = name
        self.points = points
        self.colour = colour


def write_clients(path: Path, rates: Sequence[tuple[float, float]], p50: Any, p99: Any) -> None:
    """Texts a second, and latencies in milliseconds, over the number of clients."""

    def draw(figure: Figure) -> None:
        left, right = figure.subplots(1, 2)
        _draw(left, [Curve("texts a second", rates, ACCENT)], "clients (closed loop, one text a request)", "texts/s")
        _draw(right, [Curve("p50", p50, ACCENT), Curve("p99", p99, SECOND)], "clients", "latency, ms")
        for axes in (left, right):
            axes.set_xscale("log", base=2)
            axes.set_xticks([x for x, _ in rates], [f"{x:g}" for x, _ in rates])
        figure.subplots_adjust(0.08, 0.16, 0.98, 0.94, wspace=0.22)

    _write(path, draw, "clients", "Throughput and latency of seatrial serve over the number of clients")


def write_loads(path: Path, p50: Any, p99: Any) -> None:
    """Latencies in milliseconds over the load, a share of the full rate."""

    def draw(figure: Figure) -> None:
        axes = figure.subplots(1, 1)
        _draw(axes, [Curve("p50", p50, ACCENT), Curve("p99", p99, SECOND)],
              "load (Poisson arrivals), share of the rate with 32 clients", "latency, ms")  # fmt: skip
        figure.subplots_adjust(0.08, 0.16, 0.98, 0.94)

    _write(path, draw, "loads", "Latency of seatrial serve over its load")


def _draw(axes: Any, curves: Sequence[Curve], across: str, up: str) -> None:
    axes.set_facecolor("none")
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.grid(color=LINE.light, linewidth=0.8)
    axes.set_axisbelow(True)
    for place, curve in enumerate(curves):
        xs, ys = [x for x, _ in curve.points], [y for _, y in curve.points]
        axes.plot(xs, ys, color=curve.colour.light, linewidth=1.8, marker="o", markersize=5)
        axes.text(0.02, 0.96 - 0.08 * place, f"● {curve.name}", transform=axes.transAxes, va="top",
                  color=curve.colour.light)  # fmt: skip
    axes.set_ylim(bottom=0)
    axes.set_xlabel(across, color=MUTED.light)
    axes.set_ylabel(up, color=MUTED.light)
    axes.tick_params(length=0, colors=INK.light)


def _write(path: Path, draw: Any, name: str, description: str) -> None:
    """The inline picture of a report, made a file of its own: with the namespace, font and colours of a page."""
    svg = str(figure_svg(draw, _SIZE, name=name, description=description))
    light = "".join(f"--{colour.name}:{colour.light};" for colour in COLOURS)
    dark = "".join(f"--{colour.name}:{colour.dark};" for colour in COLOURS)
    style = f"<style>svg{{{_FONT};{light}}}@media(prefers-color-scheme:dark){{svg{{{dark}}}}}</style>"
    head, _, rest = svg.partition(">")
    path.write_text(f'{head} xmlns="http://www.w3.org/2000/svg">{style}{rest}\n', "utf-8")
