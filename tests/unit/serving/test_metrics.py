"""The series: their names, their labels, their edges."""

from __future__ import annotations

import itertools
import os
import subprocess
from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from seatrial.domain.inference import Outcome, PredictionRecord
from seatrial.domain.latency import LATENCY_EDGES_S
from seatrial.serving.gpu_memory import GpuMemory
from seatrial.serving.metrics import MetricsSink
from seatrial.serving.payload import BatchFacts
from tests.data_plane import FakeNvml
from tests.servers import find_program

DONE = PredictionRecord(
    "r1", "tiny", "1", Outcome.SUCCESS, 0.02, texts=3, tokens=20, queue_s=0.004, inference_s=0.01,
    labels=("positive", "negative", "positive"), confidences=(0.9, 0.8, 0.7),
)  # fmt: skip


@pytest.fixture
def sink() -> MetricsSink:
    sink = MetricsSink(GpuMemory(FakeNvml()))
    sink.expect("tiny", "1", ("negative", "positive"))
    return sink


def samples(sink: MetricsSink) -> dict[tuple[str, str], float]:
    """Value by name and labels, as Prometheus would read them."""
    text = sink.exposition("")[0].decode()
    return {
        (sample.name, ",".join(f"{key}={value}" for key, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_a_success_is_counted_timed_and_classified(sink: MetricsSink) -> None:
    sink.record(DONE)
    seen = samples(sink)
    assert seen["inference_requests_total", "model=tiny,status=success,version=1"] == 1
    assert seen["inference_latency_seconds_count", "model=tiny,version=1"] == 1
    assert seen["inference_latency_seconds_sum", "model=tiny,version=1"] == pytest.approx(0.02)
    assert seen["inference_queue_seconds_sum", ""] == pytest.approx(0.004)
    assert seen["prediction_class_total", "label=positive,model=tiny,version=1"] == 2
    assert seen["prediction_class_total", "label=negative,model=tiny,version=1"] == 1


@pytest.mark.parametrize(
    ("outcome", "timed"),
    [
        (Outcome.SUCCESS, 1),
        (Outcome.ERROR, 1),
        (Outcome.EXPIRED, 1),
        (Outcome.INVALID, 0),
        (Outcome.REJECTED, 0),
        (Outcome.CANCELLED, 0),
    ],
)
def test_each_outcome_is_counted_and_only_what_a_version_did_is_timed(
    sink: MetricsSink, outcome: Outcome, timed: int
) -> None:
    sink.record(replace(DONE, outcome=outcome))
    seen = samples(sink)
    assert seen["inference_requests_total", f"model=tiny,status={outcome},version=1"] == 1
    assert seen["inference_latency_seconds_count", "model=tiny,version=1"] == timed


def test_what_clients_name_makes_no_new_series(sink: MetricsSink) -> None:
    for i in range(100):
        sink.record(PredictionRecord("r", f"guess-{i}", "1", Outcome.INVALID, 0.001))
        sink.record(PredictionRecord("r", "tiny", f"{i + 2}", Outcome.INVALID, 0.001))
    counted = {labels: value for (name, labels), value in samples(sink).items() if name == "inference_requests_total"}
    assert counted["model=unknown,status=invalid,version=unknown"] == 100
    assert counted["model=tiny,status=invalid,version=unknown"] == 100
    assert len(counted) == len(Outcome) + 2


def test_the_series_of_a_loaded_variant_start_at_zero(sink: MetricsSink) -> None:
    seen = samples(sink)
    for outcome in Outcome:
        assert seen["inference_requests_total", f"model=tiny,status={outcome},version=1"] == 0
    assert seen["prediction_class_total", "label=positive,model=tiny,version=1"] == 0


def test_batches_are_observed(sink: MetricsSink) -> None:
    sink.observe_batch(BatchFacts(texts=8, tokens=150, padding_ratio=0.25))
    seen = samples(sink)
    assert seen["inference_batch_size_sum", ""] == 8
    assert seen["inference_batch_tokens_sum", ""] == 150
    assert seen["inference_padding_ratio_sum", ""] == 0.25


def test_latency_edges_are_powers_of_a_tenth_more_with_round_figures_between() -> None:
    powers = [edge for edge in LATENCY_EDGES_S if edge not in {0.01, 0.05, 0.1, 0.5, 1.0, 5.0}]
    assert powers[0] == 0.001
    assert powers[-1] >= 20
    for lower, upper in itertools.pairwise(powers):
        assert upper / lower == pytest.approx(1.1, rel=1e-4)
    assert {0.01, 0.05, 0.1, 0.5, 1.0, 5.0} <= set(LATENCY_EDGES_S)
    assert list(LATENCY_EDGES_S) == sorted(set(LATENCY_EDGES_S))


def test_memory_of_a_gpu_that_answers_is_given_and_of_one_that_does_not_is_absent(sink: MetricsSink) -> None:
    seen = {labels: value for (name, labels), value in samples(sink).items() if name == "gpu_memory_used_bytes"}
    assert seen == {"gpu_id=0": 5 * 2**30}


def test_without_a_gpu_its_series_is_absent_and_not_zero() -> None:
    gpu_memory = GpuMemory(FakeNvml(driver=False))
    assert b"gpu_memory_used_bytes" not in MetricsSink(gpu_memory).exposition("")[0]


def test_openmetrics_is_given_to_who_asks_for_it(sink: MetricsSink) -> None:
    body, content_type = sink.exposition("application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text")
    assert body.endswith(b"# EOF\n")


def test_promtool_finds_nothing_to_criticise(sink: MetricsSink) -> None:
    sink.record(DONE)
    sink.rejected("queue_full")
    sink.observe_batch(BatchFacts(texts=8, tokens=150, padding_ratio=0.25))
    checked = subprocess.run(
        [find_program("promtool"), "check", "metrics"],
        input=sink.exposition("")[0], capture_output=True, check=False, env={"PATH": os.environ["PATH"]},
    )  # fmt: skip
    assert checked.returncode == 0, (checked.stdout + checked.stderr).decode()
