"""Pictures are small, repeatable, offline, and safe to stand in a page together."""

from __future__ import annotations

import functools
import re
from xml.etree import ElementTree as ET

import pytest

from seatrial.reports.charts import Agreement, Share, agreement_chart, bar_chart, interval_chart, matrix_chart
from seatrial.reports.figures import figure_svg
from seatrial.reports.palette import ACCENT, COLOURS

SHARES = [Share("电影 film", 0.9, 0.85, 0.93, 200), Share("$x$ --><b>", 0.5, 0.1, 0.9, 7, prominent=False)]
CURVES = [Agreement("before", [0.6, 0.9], [0.5, 0.8], [3, 9]), Agreement("after", [0.55, 0.8], [0.5, 0.8], [4, 8])]


@functools.cache
def charts() -> list[str]:
    """One of each kind; drawn once, since drawing takes a moment."""
    return draw_charts()


def draw_charts() -> list[str]:
    return [
        interval_chart(SHARES, limit=0.65, name="a0", description="d"),
        bar_chart(SHARES, limit=None, name="a1", description="d"),
        matrix_chart([[3, 1], [0, 0]], ("正面", "<i>no</i>"), name="a2", description="d"),
        matrix_chart([[1] * 20] * 20, [f"label {i}" for i in range(20)], name="a3", description="d"),
        agreement_chart(CURVES, titles=("claimed", "observed"), name="a4", description="d"),
    ]


@pytest.mark.parametrize("place", range(5), ids=["interval", "bar", "matrix", "large matrix", "agreement"])
def test_a_chart_is_one_well_formed_offline_element(place: int) -> None:
    svg = charts()[place]
    root = ET.fromstring(svg)
    assert root.tag == "svg"
    assert root.get("role") == "img"
    assert root.get("aria-label") == "d"
    assert "http" not in svg
    assert not {element.tag for element in root.iter()} & {"style", "script", "metadata", "image", "foreignObject"}


def test_colours_follow_the_page() -> None:
    for svg in charts():
        assert "var(--" in svg
        assert not re.findall("#[0-9a-f]{6}", svg), "a colour outside the palette would not follow the colour scheme"


def test_equal_drawings_are_equal_text() -> None:
    assert draw_charts() == charts()


def test_two_pictures_share_no_id_and_each_finds_its_own() -> None:
    texts = charts()
    ids = [found for svg in texts for found in re.findall(r'id="([^"]+)"', svg)]
    assert len(ids) == len(set(ids))
    references = [found for svg in texts for found in re.findall(r'(?:href="#|url\(#)([^")]+)', svg)]
    assert references
    assert set(references) <= set(ids)


def test_labels_stay_text_in_any_script() -> None:
    svg = charts()[0]
    texts = ["".join(element.itertext()) for element in ET.fromstring(svg).iter("text")]
    assert {"电影 film", "$x$ --><b>", "90.0%", "n = 200", "limit 65.0%"} <= set(texts)
    assert "font-family" not in svg


def test_control_characters_in_a_label_do_not_break_the_picture() -> None:
    ET.fromstring(matrix_chart([[1, 0], [0, 1]], ("a\x00b", "c\ud800"), name="m", description="x\x01y"))


def test_the_callers_settings_of_matplotlib_are_left_alone() -> None:
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    figure_svg(lambda figure: figure.add_subplot().plot([1, 2], color=ACCENT.light), (90, 60), name="f", description="")
    assert dict(mpl.rcParams) == before


def test_each_colour_of_the_palette_is_its_own() -> None:
    assert len({colour.light for colour in COLOURS}) == len({colour.name for colour in COLOURS}) == len(COLOURS)
