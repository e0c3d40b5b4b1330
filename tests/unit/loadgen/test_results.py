from __future__ import annotations

import json

import msgspec
import pytest

from seatrial.loadgen.results import Latencies, LoadResult, Observation, Spent, percentile, summarise


def seen(ended_s: float, latency_s: float = 0.1, ended: str = "200", texts: int = 1, fault: str = "") -> Observation:
    return Observation(ended_s - latency_s, ended_s - latency_s, ended_s, ended, texts, fault)


def test_a_window_counts_what_ends_in_it_wherever_it_began() -> None:
    ended = [9.99, 10.0, 15.0, 19.99, 20.0]
    result = summarise([seen(at, latency_s=5.0, texts=3) for at in ended], 10.0, 20.0, Spent(1.0, 6.0))
    assert (result.window.requests, result.total.requests) == (3, 5)
    assert result.texts_per_s == pytest.approx(0.9)
    assert result.server_cpu_ms_a_text == pytest.approx(6000 / 9)
    assert result.client_cpu_ratio == pytest.approx(0.1)


def test_outcomes_are_counted_and_timed_apart() -> None:
    observations = [seen(11, 0.2), seen(12, 0.4), seen(13, 0.001, "503"), seen(14, 9, "reset"), seen(15, 3, "timeout")]
    window = summarise(observations, 10, 20, Spent(0, None)).window
    assert window.outcomes == {"200": 2, "503": 1, "reset": 1, "timeout": 1}
    assert window.latencies["200"].max_ms == pytest.approx(400)
    assert window.latencies["503"].p99_ms == pytest.approx(1)
    assert window.texts == 2, "only an answer gives texts"


def test_latency_counts_from_the_moment_a_request_was_due() -> None:
    late = Observation(due_s=10.0, sent_s=10.75, ended_s=11.0, ended="200", texts=1)
    result = summarise([late], 10, 20, Spent(0, None))
    assert (result.answered.p50_ms, result.lateness.max_ms) == (1000, 750)


def test_what_is_wrong_or_unanswered_is_named() -> None:
    observations = [seen(5, fault="first"), seen(12, fault="second"), seen(13, 2, "reset"), seen(14, ended="refused")]
    result = summarise(observations, 10, 20, Spent(0, None))
    assert (result.wrong, result.wrong_examples) == (2, ("first", "second"))
    assert list(result.unanswered_sent_s) == [11], "a refused one was never sent"
    assert result.last_sent_s == pytest.approx(13.9)


def test_nothing_is_no_rate_and_no_latency() -> None:
    result = summarise([], 10, 20, Spent(0, 1.0))
    assert (result.texts_per_s, result.server_cpu_ms_a_text) == (0, None)
    assert result.answered == Latencies(0, 0, 0, 0, 0, 0, 0)


def test_percentiles_are_latencies_that_occurred() -> None:
    values = [float(value) for value in range(1, 101)]
    assert [percentile(values, ratio) for ratio in (0.5, 0.9, 0.99, 1.0)] == [50, 90, 99, 100]
    assert percentile([7.0], 0.01) == 7


def test_a_result_comes_back_from_json() -> None:
    result = summarise([seen(11), seen(12, ended="503")], 10, 20, Spent(1, 2.5))
    document = msgspec.json.encode(result.to_json())
    assert LoadResult.from_json(document) == result
    assert json.loads(document)["texts_per_s"] == result.texts_per_s
