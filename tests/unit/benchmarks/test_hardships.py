from __future__ import annotations

import pytest

from benchmarks.hardships import Sizes, _overloaded_checks, _recovery_s, _swapped_checks, _Watch
from seatrial.loadgen.results import LoadResult, Observation, Spent, summarise


def load(outcomes: dict[str, int], *, latency_s: float = 0.01, fault: str = "") -> LoadResult:
    """A load of one second, answered in half of it."""
    observations = [
        Observation(0.5 - latency_s, 0.5 - latency_s, 0.5, ended, 1, fault)
        for ended, count in outcomes.items()
        for _ in range(count)
    ]
    return summarise(observations, 0, 1, Spent(0.1, None))


def missed(checks: list[object]) -> list[str]:
    return [check.what for check in checks if not check.met]  # type: ignore[attr-defined]  # a Check


FLAT = _Watch([(0.2, 100), (0.95, 104)])
GOOD = {"200": 97, "400": 1, "415": 1, "cancelled": 1}


def test_a_soak_that_loses_nothing_is_met() -> None:
    assert missed([*_swapped_checks(load(GOOD), Sizes(requests=100), FLAT)]) == []


@pytest.mark.parametrize(
    ("result", "watch", "what"),
    [
        (load({**GOOD, "200": 96, "reset": 1}), FLAT, "lost"),
        (load({**GOOD, "200": 96, "503": 1}), FLAT, "lost"),
        (load({**GOOD, "200": 96, "500": 1}), FLAT, "lost"),
        (load(GOOD, fault="other labels"), FLAT, "wrong"),
        (load(GOOD), _Watch([(0.2, 100), (0.95, 106)]), "RSS at the end over RSS before the first swap"),
        (load({"200": 100}), FLAT, "bad requests and clients that left"),
    ],
)
def test_what_a_soak_must_not_show_is_seen(result: LoadResult, watch: _Watch, what: str) -> None:
    assert missed([*_swapped_checks(result, Sizes(requests=100), watch)]) == [what]


def test_a_load_that_ended_early_is_seen() -> None:
    assert "requests sent over the swaps" in missed([*_swapped_checks(load(GOOD), Sizes(requests=101), FLAT)])


CAPACITY = load({"200": 100})


def test_an_overload_that_is_borne_is_met() -> None:
    assert missed([*_overloaded_checks(CAPACITY, load({"200": 95, "503": 400}), 500, 0.5, 200)]) == []


@pytest.mark.parametrize(
    ("result", "recovery_s", "status", "what"),
    [
        (load({"200": 89, "503": 400}), 0.5, 200, "overload: served over capacity"),
        (load({"200": 95, "503": 400, "504": 1}), 0.5, 200, "overload: every answer"),
        (load({"200": 95}), 0.5, 200, "overload: every answer"),
        (load({"200": 95, "503": 400}), 2.5, 200, "overload: recovered after"),
        (load({"200": 95, "503": 400}), 0.5, 503, "overload: an answer afterwards"),
        (load({"200": 95, "503": 400}, latency_s=0.06), 0.5, 200, "overload: 503 at p99"),
    ],
)
def test_what_an_overload_must_not_show_is_seen(result: LoadResult, recovery_s: float, status: int, what: str) -> None:
    assert missed([*_overloaded_checks(CAPACITY, result, 500, recovery_s, status)]) == [what]


def test_recovery_counts_from_the_last_request_to_the_first_answer_that_no_refusal_follows() -> None:
    result = load({"200": 1})
    last_s = result.last_sent_s
    probes = [(last_s - 1, True), (last_s + 0.2, True), (last_s + 0.4, False), (last_s + 0.7, True), (last_s + 9, True)]
    assert _recovery_s(result, probes) == pytest.approx(0.7)
    assert _recovery_s(result, probes[:3]) == float("inf")
