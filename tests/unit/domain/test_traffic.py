"""Splits and where units fall in them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.domain.errors import ReleasePlanError
from seatrial.domain.traffic import TrafficSplit, bucket


def test_units_fall_evenly() -> None:
    places = [bucket(f"user-{number}", "salt") for number in range(10_000)]
    for part in range(10):
        assert 900 < sum(part / 10 <= place < (part + 1) / 10 for place in places) < 1100


@given(st.text(), st.text())
def test_every_unit_has_a_place_below_1(unit: str, salt: str) -> None:
    assert 0 <= bucket(unit, salt) < 1


def test_half_a_surrogate_pair_has_a_place_too() -> None:
    """JSON can say it, and a client may."""
    assert 0 <= bucket("\ud800", "salt") < 1


@given(st.lists(st.integers(1, 9999), min_size=2, max_size=6, unique=True), st.text(min_size=1))
def test_growing_a_canary_never_moves_a_unit_back(hundredths: list[int], unit: str) -> None:
    answers = []
    for share in sorted(hundredths):
        split = TrafficSplit("m", ((2, share / 100), (1, round(100 - share / 100, 2))), "release")
        answers.append(split.version_of(unit))
    assert answers == sorted(answers)  # from 1 to 2 at most once


@pytest.mark.parametrize(
    ("percents", "reason"),
    [
        (((1, 50.0), (2, 40.0)), "sum to 100 %, not 90 %"),
        (((1, 50.0), (1, 50.0)), "once"),
        (((1, 120.0), (2, -20.0)), "between 0 and 100"),
        (((1, 99.999), (2, 0.001)), "too fine"),
        (((1, float("nan")), (2, 100.0)), "between 0 and 100"),
    ],
)
def test_impossible_shares_are_refused_with_the_reason(percents: tuple[tuple[int, float], ...], reason: str) -> None:
    with pytest.raises(ReleasePlanError, match=reason):
        TrafficSplit("m", percents)


def test_a_split_survives_json() -> None:
    split = TrafficSplit("m", ((2, 12.5), (1, 87.5)), "s")
    assert TrafficSplit.from_json(split.to_json()) == split
    with pytest.raises(ReleasePlanError, match="no split"):
        TrafficSplit.from_json({"model": "m"})
