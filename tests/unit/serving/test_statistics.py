"""Counts of each version."""

from __future__ import annotations

import pytest

from seatrial.domain.inference import Outcome, PredictionRecord
from seatrial.serving.statistics import Statistics, VersionStatistics


def test_answers_and_our_failures_add_up_and_clients_mistakes_do_not() -> None:
    statistics = Statistics()
    for outcome in Outcome:
        for _ in range(2):
            statistics.record(PredictionRecord("id", "m", "1", outcome, 0.5, texts=3, queue_s=0.1, inference_s=0.2))
    counts = statistics.of("m", "1")
    assert (counts.succeeded, counts.failed, counts.texts) == (2, 6, 6)
    assert (counts.latency_s, counts.queue_s, counts.inference_s) == pytest.approx((1.0, 0.2, 0.4))
    assert counts.failed_s == pytest.approx(3.0)
    assert counts.last_success_ms > 0
    assert statistics.of("m", "2") == VersionStatistics()
