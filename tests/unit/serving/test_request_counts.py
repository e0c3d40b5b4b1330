"""Plain counts, as Prometheus reads them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from seatrial.serving.request_counts import Buckets, RequestCounts, VariantCounts

EDGES = (0.01, 0.1, 1.0)


def samples(registry: CollectorRegistry) -> dict[tuple[str, str], float]:
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return {
        (sample.name, ",".join(f"{key}={value}" for key, value in sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


@given(st.lists(st.one_of(st.sampled_from(EDGES), st.floats(0, 10)), max_size=30))
def test_buckets_count_as_a_histogram_of_the_library_does(values: list[float]) -> None:
    theirs, ours = CollectorRegistry(), CollectorRegistry()
    library = Histogram("inference_queue_seconds", "Longest wait.", buckets=EDGES, registry=theirs)
    counts = RequestCounts({}, EDGES)
    ours.register(counts)
    for value in values:
        library.observe(value)
        counts.queue.observe(value)
    assert samples(theirs).items() <= samples(ours).items()


def test_a_version_shows_all_its_series_before_anything_happened() -> None:
    counted = VariantCounts(("success", "error"), EDGES, ("no", "yes"))
    registry = CollectorRegistry()
    registry.register(RequestCounts({("m", "1"): counted}, EDGES))
    seen = samples(registry)
    assert seen["inference_requests_total", "model=m,status=error,version=1"] == 0
    assert seen["inference_latency_seconds_count", "model=m,version=1"] == 0
    assert seen["prediction_class_total", "label=yes,model=m,version=1"] == 0
    assert seen["inference_in_flight", ""] == 0


def test_requests_that_reached_no_version_have_no_latency() -> None:
    registry = CollectorRegistry()
    registry.register(RequestCounts({("m", "unknown"): VariantCounts(("invalid",), EDGES)}, EDGES))
    assert ("inference_latency_seconds_count", "model=m,version=unknown") not in samples(registry)


def test_a_value_on_an_edge_belongs_to_it_and_one_above_all_is_counted() -> None:
    buckets = Buckets(EDGES)
    for value in (0.1, 5.0):
        buckets.observe(value)
    assert buckets.exposed() == [("0.01", 0), ("0.1", 1), ("1.0", 1), ("+Inf", 2)]
