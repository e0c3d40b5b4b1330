"""Numbers at their edges, and foreign text made safe to show."""

from __future__ import annotations

import math

import pytest

from seatrial.reports.formatting import number, plain, points, shorten


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "0"),
        (1234567.0, "1,234,567"),
        (0.04796, "0.04796"),
        (-0.005281, "-0.005281"),
        (12345.6, "12,346"),
        (math.nan, "nan"),
        (math.inf, "inf"),
    ],
)
def test_number(value: float, shown: str) -> None:
    assert number(value) == shown


def test_a_loss_keeps_its_sign() -> None:
    assert points(-0.00049) == "-0.05 points"


def test_plain_text_is_one_line_without_control_characters() -> None:
    assert plain(" a\tb\r\nc  d ") == "a b c d"
    assert plain("\x1b[31mred\ud83d") == "\N{REPLACEMENT CHARACTER}[31mred\N{REPLACEMENT CHARACTER}"
    assert plain("电影 👩‍👩‍👧") == "电影 👩‍👩‍👧"


@pytest.mark.parametrize(("text", "shown"), [("", ""), ("abc", "abc"), ("abcd", "ab…"), ("ab       " * 9, "ab…")])
def test_shorten(text: str, shown: str) -> None:
    assert shorten(text, 3) == shown


def test_shorten_reads_only_what_it_shows() -> None:
    assert shorten("x" * 10_000_000, 5) == "xxxx…"
