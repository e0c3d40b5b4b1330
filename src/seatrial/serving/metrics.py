"""What Prometheus reads: the data plane's series, named once, here."""

from __future__ import annotations

import platform
from collections import Counter as Tally
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from seatrial import __version__
from seatrial.domain.errors import ModelNotServedError
from seatrial.domain.inference import Outcome, PredictionRecord
from seatrial.domain.latency import LATENCY_EDGES_S
from seatrial.serving.gpu_memory import GpuMemory
from seatrial.serving.payload import BatchFacts
from seatrial.serving.tallies import UnitsSample

__all__ = ["UNKNOWN", "MetricsSink"]

UNKNOWN = "unknown"
"""Label of a model or version that is not loaded: what clients send must not make new series."""

_TIMED = frozenset({Outcome.SUCCESS, Outcome.ERROR, Outcome.EXPIRED})
"""Outcomes whose time says something about a version. Refusals cost nothing, and who hangs up chose the time."""

_QUEUE_EDGES_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_SIZE_EDGES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_TOKEN_EDGES = tuple(2**power for power in range(3, 16))
_RATIO_EDGES = tuple(tenth / 10 for tenth in range(11))
_BY_VARIANT = ("model", "version")

# Else every counter and histogram brings one more series, which nothing of ours reads.
disable_created_metrics()  # type: ignore[no-untyped-call]


@dataclass(frozen=True, slots=True)
class _Series:
    """The series of one variant, looked up once and not at each request."""

    requests: dict[Outcome, Counter]
    latency: Histogram
    classes: dict[str, Counter] = field(default_factory=dict)


class MetricsSink:
    """Counts requests and batches; one for each data plane, on a registry of its own."""

    def __init__(self, gpu_memory: GpuMemory | None = None) -> None:
        registry = self._registry = CollectorRegistry()
        self._models: set[str] = set()
        self._series: dict[tuple[str, str], _Series] = {}
        self._requests = Counter(
            "inference_requests_total", "Requests for predictions, by how they ended.", (*_BY_VARIANT, "status"),
            registry=registry,
        )  # fmt: skip
        self._latency = Histogram(
            "inference_latency_seconds",
            "From request received to last byte handed over, of requests that succeeded, failed or expired.",
            _BY_VARIANT, buckets=LATENCY_EDGES_S, registry=registry,
        )  # fmt: skip
        self._classes = Counter(
            "prediction_class_total", "Texts, by the label they got.", (*_BY_VARIANT, "label"), registry=registry
        )
        self._queue = Histogram(
            "inference_queue_seconds", "Longest wait of a request's texts for an engine.",
            buckets=_QUEUE_EDGES_S, registry=registry,
        )  # fmt: skip
        self._batch_size = Histogram(
            "inference_batch_size", "Texts in an engine call.", buckets=_SIZE_EDGES, registry=registry
        )
        self._batch_tokens = Histogram(
            "inference_batch_tokens", "Tokens in an engine call, padding left out.",
            buckets=_TOKEN_EDGES, registry=registry,
        )  # fmt: skip
        self._padding = Histogram(
            "inference_padding_ratio", "Share of an engine call's cells that is padding.",
            buckets=_RATIO_EDGES, registry=registry,
        )  # fmt: skip
        self._rejected = Counter(
            "inference_rejected_total",
            "Requests and connections turned away, by reason.",
            ("reason",),
            registry=registry,
        )
        self._feedback = Counter(
            "feedback_total", "True labels that clients sent, by whether the answer had been right.",
            (*_BY_VARIANT, "correct"), registry=registry,
        )  # fmt: skip
        self.journal_bytes = Gauge("journal_bytes", "Size of the journal's segments.", registry=registry)
        self._journal_dropped = Counter(
            "journal_dropped_total", "Records that were not written to the journal, by reason.", ("reason",),
            registry=registry,
        )  # fmt: skip
        self._mirrored = Counter(
            "inference_mirror_total", "Requests that a release mirrored, by how that ended.", ("outcome",),
            registry=registry,
        )  # fmt: skip
        self.in_flight = Gauge("inference_in_flight", "Requests received and not yet answered.", registry=registry)
        build = Gauge("build_info", "Always 1; the labels say what runs.", ("version", "python"), registry=registry)
        build.labels(__version__, platform.python_version()).set(1)
        registry.register(_GpuMemoryCollector(gpu_memory or GpuMemory()))

    def expect(self, model: str, version: str, labels: Sequence[str]) -> None:
        """Makes a loaded variant known, and starts its series at 0, so that a first error shows as an increase."""
        self._models.add(model)
        series = self._series[model, version] = _Series(
            {outcome: self._requests.labels(model, version, outcome.value) for outcome in Outcome},
            self._latency.labels(model, version),
        )
        for label in labels:
            series.classes[label] = self._classes.labels(model, version, label)

    def record(self, record: PredictionRecord) -> None:
        """Counts one finished request."""
        series = self._series.get((record.model, record.version))
        if series is None:  # nothing was picked, so there is nothing else to count
            model = record.model if record.model in self._models else UNKNOWN
            self._requests.labels(model, UNKNOWN, record.outcome.value).inc()
            return
        series.requests[record.outcome].inc()
        if record.outcome in _TIMED:
            series.latency.observe(record.latency_s)
        if record.outcome is Outcome.SUCCESS:
            self._queue.observe(record.queue_s)
            for label, texts in Tally(record.labels).items():
                series.classes[label].inc(texts)

    def rejected(self, reason: str) -> None:
        """Counts one request that was turned away; `reason` is one of few constants."""
        self._rejected.labels(reason).inc()

    def journal_dropped(self, reason: str, records: int) -> None:
        """Counts records that the journal did not take; `reason` is one of few constants."""
        self._journal_dropped.labels(reason).inc(records)

    def feedback(self, model: str, version: str, correct: bool | None) -> None:
        """Counts one true label; None where it is not known any more what was answered."""
        self._feedback.labels(model, version, UNKNOWN if correct is None else str(correct).lower()).inc()

    def mirrored(self, outcome: str) -> None:
        """Counts one mirrored request; `outcome` is one of few constants."""
        self._mirrored.labels(outcome).inc()

    def follow_releases(
        self, samples: Callable[[], Iterable[UnitsSample]], step_ratios: Callable[[], Mapping[str, float]]
    ) -> None:
        """Shows the counters of releases; both are asked at each scrape, so that counting costs a request nothing."""
        self._registry.register(_ReleaseCollector(samples, step_ratios))

    def latency_counts(self, model: str, version: str) -> list[int]:
        """Requests of a variant since the process began, by latency: between the edges, and beyond the last one.

        Raises:
            ModelNotServedError: it was never loaded.
        """
        if (model, version) not in self._series:
            raise ModelNotServedError(f"{model}@{version} is not served here: ask for what /admin/models names.")
        cumulative = [
            int(sample.value)
            for family in self._latency.collect()
            for sample in family.samples
            if sample.name.endswith("_bucket")
            and (sample.labels["model"], sample.labels["version"]) == (model, version)
        ]
        return [upper - lower for lower, upper in pairwise([0, *cumulative])]

    def observe_batch(self, facts: BatchFacts) -> None:
        """Counts one engine call."""
        self._batch_size.observe(facts.texts)
        self._batch_tokens.observe(facts.tokens)
        self._padding.observe(facts.padding_ratio)

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """All series as text, and its content type, in the format that the scraper accepts."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type


class _ReleaseCollector(Collector):
    """Reads the tallies when Prometheus asks."""

    def __init__(
        self, samples: Callable[[], Iterable[UnitsSample]], step_ratios: Callable[[], Mapping[str, float]]
    ) -> None:
        self._samples = samples
        self._step_ratios = step_ratios

    def collect(self) -> Iterable[CounterMetricFamily | GaugeMetricFamily]:
        units = CounterMetricFamily(
            "release_units", "Units of a release, by what they met first.", labels=(*_BY_VARIANT, "guard", "event")
        )
        for sample in self._samples():
            units.add_metric(sample[:-1], sample.units)
        ratios = GaugeMetricFamily("release_step_ratio", "The challenger's share of the traffic.", labels=("model",))
        for model, ratio in self._step_ratios().items():
            ratios.add_metric((model,), ratio)
        return units, ratios


class _GpuMemoryCollector(Collector):
    """Reads the GPUs when Prometheus asks; without a GPU the series is absent."""

    def __init__(self, gpu_memory: GpuMemory) -> None:
        self._gpu_memory = gpu_memory

    def collect(self) -> Iterable[GaugeMetricFamily]:
        used = self._gpu_memory.used_bytes()
        if used:
            family = GaugeMetricFamily("gpu_memory_used_bytes", "Memory in use on the GPU.", labels=("gpu_id",))
            for gpu_id, used_bytes in used.items():
                family.add_metric((gpu_id,), used_bytes)
            yield family
