"""The ladder of latencies."""

from __future__ import annotations

import itertools

import pytest

from seatrial.domain.latency import LATENCY_EDGES_S, LATENCY_LADDER_S, rung_near, tolerant_s


def test_every_rung_is_an_edge_of_the_histogram() -> None:
    assert set(LATENCY_LADDER_S) <= set(LATENCY_EDGES_S)
    for lower, upper in itertools.pairwise(LATENCY_LADDER_S):
        assert upper / lower == pytest.approx(1.1, rel=1e-5)


@pytest.mark.parametrize("place", [0, 30, 104])
def test_a_rung_is_its_own_nearest(place: int) -> None:
    assert rung_near(LATENCY_LADDER_S[place]) == LATENCY_LADDER_S[place]


def test_what_lies_off_the_ladder_gets_its_end() -> None:
    assert rung_near(0.0) == LATENCY_LADDER_S[0]
    assert rung_near(1e9) == LATENCY_LADDER_S[-1]


def test_a_tolerance_is_a_whole_number_of_rungs() -> None:
    assert tolerant_s(LATENCY_LADDER_S[3], 2) == LATENCY_LADDER_S[5]
    with pytest.raises(ValueError, match="no rung"):
        tolerant_s(0.05, 1)  # an edge, but no rung
    with pytest.raises(ValueError, match="no 1 rungs"):
        tolerant_s(LATENCY_LADDER_S[-1], 1)
