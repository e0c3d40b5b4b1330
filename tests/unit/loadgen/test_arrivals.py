from __future__ import annotations

from itertools import islice, pairwise

import pytest

from seatrial.loadgen.arrivals import arrivals
from seatrial.loadgen.plan import Open


def gaps_s(plan: Open, seed: int, count: int = 5000) -> list[float]:
    return [later - earlier for earlier, later in pairwise(islice(arrivals(plan, seed), count))]


def test_a_poisson_process_has_the_rate_and_the_spread_of_one() -> None:
    gaps = gaps_s(Open(rate_per_s=50), seed=1)
    mean = sum(gaps) / len(gaps)
    deviation = (sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) ** 0.5
    assert mean == pytest.approx(1 / 50, rel=0.05)
    assert deviation == pytest.approx(mean, rel=0.1), "exponential gaps deviate as much as they last"


def test_the_seed_decides_the_arrivals() -> None:
    plan = Open(rate_per_s=50)
    assert gaps_s(plan, 1) == gaps_s(plan, 1) != gaps_s(plan, 2)


def test_even_arrivals_do_not_drift() -> None:
    *_, last = islice(arrivals(Open(rate_per_s=3, poisson=False), seed=0), 300_001)
    assert last == 100_000
