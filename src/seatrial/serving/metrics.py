"""What Prometheus reads: the data plane's series, named once, here."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

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
from seatrial.serving.request_counts import RequestCounts, VariantCounts
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
_STATUSES = tuple(outcome.value for outcome in Outcome)

# Else every counter and histogram brings one more series, which nothing of ours reads.
disable_created_metrics()  # type: ignore[no-untyped-call]


class MetricsSink:
    """Counts requests and batches; one for each data plane, on a registry of its own."""

    def __init__(self, gpu_memory: GpuMemory | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        registry = self._registry = CollectorRegistry()
        self._models: set[str] = set()
        self._variants: dict[tuple[str, str], VariantCounts] = {}
        self._clock = clock
        self._since_s: dict[tuple[str, str], float] = {}
        self._counts = RequestCounts(self._variants, _QUEUE_EDGES_S)
        registry.register(self._counts)
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
        build = Gauge("build_info", "Always 1; the labels say what runs.", ("version", "python"), registry=registry)
        build.labels(__version__, platform.python_version()).set(1)
        registry.register(_GpuMemoryCollector(gpu_memory or GpuMemory()))

    def expect(self, model: str, version: str, labels: Sequence[str]) -> None:
        """Makes a loaded variant known, and starts its series at 0, so that a first error shows as an increase."""
        self._models.add(model)
        self._since_s.setdefault((model, version), self._clock())
        self._variants.setdefault((model, version), VariantCounts(_STATUSES, LATENCY_EDGES_S, labels))

    def record(self, record: PredictionRecord) -> None:
        """Counts one finished request."""
        counted = self._variants.get((record.model, record.version))
        if counted is None:  # nothing was picked, so there is nothing else to count
            model = record.model if record.model in self._models else UNKNOWN
            nowhere = self._variants.setdefault((model, UNKNOWN), VariantCounts((), LATENCY_EDGES_S))
            nowhere.requests[record.outcome.value] = nowhere.requests.get(record.outcome.value, 0) + 1
            return
        counted.requests[record.outcome.value] += 1
        if record.outcome in _TIMED:
            counted.latency.observe(record.latency_s)
        if record.outcome is Outcome.SUCCESS:
            self._counts.queue.observe(record.queue_s)
            for label in record.labels:
                counted.classes[label] += 1

    def arrived(self) -> None:
        """Counts one request that was received; `answered` follows."""
        self._counts.in_flight += 1

    def answered(self) -> None:
        """Counts one request that is not in flight any more."""
        self._counts.in_flight -= 1

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
        self,
        samples: Callable[[], Iterable[UnitsSample]],
        step_ratios: Callable[[], Mapping[str, float]],
        treated_ratios: Callable[[], Mapping[str, float]],
    ) -> None:
        """Shows releases and experiments; all is asked at each scrape, so that counting costs a request nothing."""
        self._registry.register(_ReleaseCollector(samples, step_ratios, treated_ratios))

    def latency_counts(self, model: str, version: str) -> list[int]:
        """Requests of a variant since the process began, by latency: between the edges, and beyond the last one.

        Raises:
            ModelNotServedError: it was never loaded.
        """
        if (model, version) not in self._variants:
            raise ModelNotServedError(f"{model}@{version} is not served here: ask for what /admin/models names.")
        return list(self._variants[model, version].latency.counts)

    def counted_for_s(self, model: str, version: str) -> float:
        """For how long that has been counted; 0 for what was never loaded."""
        now_s = self._clock()
        return now_s - self._since_s.get((model, version), now_s)

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
        self,
        samples: Callable[[], Iterable[UnitsSample]],
        step_ratios: Callable[[], Mapping[str, float]],
        treated_ratios: Callable[[], Mapping[str, float]],
    ) -> None:
        self._samples = samples
        self._step_ratios = step_ratios
        self._treated_ratios = treated_ratios

    def collect(self) -> Iterable[CounterMetricFamily | GaugeMetricFamily]:
        units = CounterMetricFamily(
            "release_units", "Units of a release, by what they met first.", labels=(*_BY_VARIANT, "guard", "event")
        )
        for sample in self._samples():
            units.add_metric(sample[:-1], sample.units)
        ratios = GaugeMetricFamily("release_step_ratio", "The challenger's share of the traffic.", labels=("model",))
        for model, ratio in self._step_ratios().items():
            ratios.add_metric((model,), ratio)
        treated = GaugeMetricFamily(
            "experiment_treatment_ratio", "Share of the traffic that an experiment's treatment gets.", labels=("model",)
        )
        for model, ratio in self._treated_ratios().items():
            treated.add_metric((model,), ratio)
        return units, ratios, treated


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
