"""A drawing as inline SVG: small, the same for the same drawing, and in the page's own colours and fonts."""

from __future__ import annotations

import io
import re
import threading
import unicodedata
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from seatrial.domain.errors import MissingExtraError
from seatrial.reports.formatting import plain
from seatrial.reports.palette import COLOURS

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.figure import Figure

__all__ = ["FONT_PX", "Size", "figure_svg", "label_width_px"]

Size = tuple[float, float]
"""Width and height of a figure in CSS pixels."""

FONT_PX = 12.0
_LEAST_WIDTH_PX = 560.0
_DPI = 72.0  # one unit of matplotlib's SVG is then one CSS pixel
_RC = {
    "svg.fonttype": "none",  # text stays text, drawn in the reader's fonts: no tofu, searchable, small
    "svg.hashsalt": "seatrial",  # the same drawing gets the same ids
    "text.parse_math": False,  # a label may hold dollar signs
    "font.size": FONT_PX,
    "axes.unicode_minus": False,
}
# matplotlib keeps these settings for the whole process; two reports at once must not undo each other's.
_RC_LOCK = threading.Lock()
_VARIABLES = {colour.light: f"var(--{colour.name})" for colour in COLOURS}
_COLOUR = re.compile("|".join(_VARIABLES))
_FONT = re.compile(r"font-family:[^;]*;?|font-size: 12px;?")
_REFERENCE = re.compile(r"url\(#")


def figure_svg(draw: Callable[[Figure], object], size: Size, *, name: str, description: str) -> Markup:
    """Draws a figure and returns it as an ``<svg>`` element to stand in a page.

    Args:
        draw: draws on the empty figure it is given, in colours of `palette`.
        size: width and height in CSS pixels; the page scales it down where there is less room.
        name: of the figure, unique on its page; its ids start with it.
        description: read out to people who cannot see the picture.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        import matplotlib as mpl
        from markupsafe import Markup
        from matplotlib.backends.backend_svg import FigureCanvasSVG
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("matplotlib and jinja2", "control") from error
    stream = io.StringIO()
    with _RC_LOCK, mpl.rc_context(_RC), warnings.catch_warnings():
        # The reader's browser has the glyphs; only the estimate of a label's width lacks them.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = Figure(figsize=(size[0] / _DPI, size[1] / _DPI), dpi=_DPI, facecolor="none")
        FigureCanvasSVG(figure)
        draw(figure)
        figure.savefig(stream, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    return Markup(_inline(stream.getvalue(), size, name, description))  # noqa: S704  serialised from a parsed tree


def label_width_px(text: str) -> float:
    """A generous estimate of a label's width in the reader's font: wide (East Asian) letters count double.

    Example:
        >>> label_width_px("ab") < label_width_px("电影")
        True
    """
    ems = sum(1.0 if unicodedata.east_asian_width(letter) in "WF" else 0.56 for letter in text)
    return ems * FONT_PX


def _inline(svg: str, size: Size, name: str, description: str) -> str:
    """The picture without what only a file of its own needs, its colours as CSS variables, its ids unique."""
    root = ET.fromstring(svg)  # noqa: S314  what matplotlib just wrote
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        attributes = {key.rpartition("}")[2]: _restyle(value, name) for key, value in element.attrib.items()}
        if "id" in attributes:
            attributes["id"] = f"{name}-{attributes['id']}"
        if attributes.get("href", "").startswith("#"):
            attributes["href"] = f"#{name}-{attributes['href'][1:]}"
        element.attrib.clear()
        element.attrib.update(attributes)
        _drop(element, "style")
    width, height = size
    root.attrib.clear()
    root.attrib.update(
        {
            "viewBox": f"0 0 {width:g} {height:g}",
            # On a narrow screen a wide picture scrolls sideways before its letters become too small to read.
            "style": f"max-width: {width:g}px; min-width: {min(width, _LEAST_WIDTH_PX):g}px",
            "role": "img",
            "aria-label": plain(description),
        }
    )
    return ET.tostring(root, encoding="unicode")


def _restyle(value: str, name: str) -> str:
    coloured = _COLOUR.sub(lambda found: _VARIABLES[found.group()], _FONT.sub("", value))
    return _REFERENCE.sub(f"url(#{name}-", coloured).strip()


def _drop(element: ET.Element[Any], tag: str) -> None:
    for child in [child for child in element if child.tag.rpartition("}")[2] == tag]:
        element.remove(child)
