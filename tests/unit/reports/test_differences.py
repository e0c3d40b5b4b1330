"""Pictures of differences."""

from __future__ import annotations

import pytest

from seatrial.reports.differences import Difference, DifferenceAt, difference_chart, history_chart
from tests.unit.reports.html_check import read

GAIN = Difference("bought", 0.03, 0.01, 0.05, 0.01, "+0.03 (+0.01 to +0.05)", True)
OPEN = Difference("crashed", 0.2, None, None, None, "+20% (open to open)", None)


def test_intervals_without_ends_and_without_limits_are_drawn() -> None:
    picture = str(difference_chart([GAIN, OPEN], name="now", description="Both <metrics>."))
    read(picture)
    assert "no difference" in picture
    assert OPEN.figures in picture
    assert "Both &lt;metrics&gt;." in picture


def test_a_row_shows_its_limit_and_both_ends() -> None:
    assert GAIN.reach > 0.05
    assert OPEN.reach > 0.2
    assert Difference("a", 0.0, 0.0, 0.0, None, "", None).reach > 0
    assert len({GAIN.colour, OPEN.colour, Difference("a", -1.0, -2.0, -0.5, None, "", False).colour}) == 3


@pytest.mark.parametrize(("relative", "mark"), [(True, "+100%"), (False, "0.5")])
def test_a_history_is_marked_in_its_own_unit(relative: bool, mark: str) -> None:
    points = [DifferenceAt(units, 0.5, None if units < 3000 else -0.5, 1.5) for units in range(1000, 9000, 1000)]
    picture = str(history_chart(points, limit=0.2, relative=relative, name="then", description="A metric."))
    read(picture)
    assert mark in picture
    assert "8,000" in picture


def test_a_history_in_which_nothing_differs() -> None:
    points = [DifferenceAt(units, 0.0, 0.0, 0.0) for units in (1000, 2000)]
    read(str(history_chart(points, limit=None, relative=False, name="flat", description="Flat.")))
