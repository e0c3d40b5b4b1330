"""Power by simulating the test itself."""

from __future__ import annotations

import math

import numpy as np
import pytest

from seatrial.stats.evidence import alarm_level
from seatrial.stats.planning import (
    Difference,
    class_evidence,
    detection_requests,
    error_evidence,
    latency_evidence,
    power_within,
    requests_for_power,
)

LEVEL = alarm_level(0.05)


def test_the_known_delay_is_found() -> None:
    """1 % to 3 % at half the traffic: a median of about 1,300 requests."""
    found = detection_requests(Difference(0.5, (0.01, 0.99), (0.03, 0.97), LEVEL), error_evidence(), 40_000)
    assert 900 < requests_for_power(found, 0.5) < 1900
    assert power_within(found, 40_000) == 1.0


def test_equal_arms_are_found_no_more_often_than_alpha() -> None:
    equal = Difference(0.1, (0.01, 0.99), (0.01, 0.99), LEVEL)
    assert power_within(detection_requests(equal, error_evidence(), 50_000, runs=1000), 50_000) <= 0.05
    cells = (0.5, 0.25, 0.15, 0.05, 0.05)
    slow = detection_requests(Difference(0.1, cells, cells, LEVEL), latency_evidence, 20_000, runs=1000)
    assert power_within(slow, 20_000) <= 0.05


def test_slowness_and_another_mix_are_found() -> None:
    slower = Difference(0.5, (0.5, 0.25, 0.15, 0.05, 0.05), (0.3, 0.25, 0.2, 0.15, 0.1), LEVEL)
    assert requests_for_power(detection_requests(slower, latency_evidence, 20_000), 0.9) < 2000
    other = Difference(0.5, (0.4, 0.6), (0.5, 0.5), LEVEL)
    assert requests_for_power(detection_requests(other, class_evidence, 20_000), 0.9) < 5000


def test_tails_are_counted_over_each_threshold() -> None:
    challenger, champion = np.array([[10, 20, 30]]), np.array([[30, 20, 10]])
    from seatrial.stats.exceedances import log_slower_by_start

    expected = log_slower_by_start([[50], [30]], [[30], [10]], (0.5,))[0]
    assert latency_evidence(challenger, champion, 0.5)[0] == pytest.approx(float(expected))


def test_equal_seeds_give_equal_figures() -> None:
    difference = Difference(0.1, (0.01, 0.99), (0.02, 0.98), LEVEL)
    first, second = (detection_requests(difference, error_evidence(), 9_000, seed=5) for _ in range(2))
    assert (first == second).all()


def test_what_is_never_found_needs_infinitely_many() -> None:
    assert math.isinf(requests_for_power(np.array([np.inf, 5.0]), 0.8))
