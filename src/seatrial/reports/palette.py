"""The colours of every report, each with its light and its dark form."""

from __future__ import annotations

from typing import NamedTuple

__all__ = [
    "ACCENT",
    "COLOURS",
    "ERROR",
    "FAIL",
    "INCONCLUSIVE",
    "INK",
    "LINE",
    "MUTED",
    "PANEL",
    "PAPER",
    "PASS",
    "SECOND",
    "Colour",
]


class Colour(NamedTuple):
    """One colour: pictures are drawn in `light`, and the page swaps it for the CSS variable ``--<name>``."""

    name: str
    light: str
    dark: str


PAPER = Colour("paper", "#ffffff", "#15181c")
PANEL = Colour("panel", "#f5f7f9", "#1d2126")
INK = Colour("ink", "#1c2126", "#e4e7ea")
MUTED = Colour("muted", "#5b6670", "#9ba5af")
LINE = Colour("line", "#dce1e6", "#333a41")
ACCENT = Colour("accent", "#2b5ca8", "#7cabee")
SECOND = Colour("second", "#b45f16", "#e6a262")
PASS = Colour("pass", "#1c7344", "#63c48d")
INCONCLUSIVE = Colour("inconclusive", "#855c00", "#dfb552")
ERROR = Colour("error", "#75399c", "#c99aeb")
FAIL = Colour("fail", "#b0261d", "#f2877d")

COLOURS = (PAPER, PANEL, INK, MUTED, LINE, ACCENT, SECOND, PASS, INCONCLUSIVE, ERROR, FAIL)
