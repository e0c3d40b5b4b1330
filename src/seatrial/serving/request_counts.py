"""Counts that every request adds to: plain numbers, turned into Prometheus' series when somebody scrapes.

A counter of prometheus_client takes a lock and several calls for each increment, some 30 us a request for the series of
this module together; the event loop is the only one that counts, and needs none of it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

__all__ = ["Buckets", "RequestCounts", "VariantCounts"]

_BY_VARIANT = ("model", "version")


class Buckets:
    """A histogram: how many values were at most each edge, and their sum.

    Args:
        edges: upper edges, rising; values above the last are counted, too.

    Example:
        >>> buckets = Buckets((1.0, 2.0))
        >>> for value in (0.5, 1.0, 3.0): buckets.observe(value)
        >>> buckets.counts, buckets.total
        ([2, 0, 1], 4.5)
    """

    __slots__ = ("counts", "edges", "total")

    def __init__(self, edges: Sequence[float]) -> None:
        self.edges = edges
        self.counts = [0] * (len(edges) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Counts one value."""
        self.counts[bisect_left(self.edges, value)] += 1
        self.total += value

    def exposed(self) -> list[tuple[str, float]]:
        """Edges as Prometheus writes them, with the number of values at most each."""
        names = [*map(floatToGoString, self.edges), "+Inf"]
        return list(zip(names, accumulate(self.counts), strict=True))


class VariantCounts:
    """The counts of one version.

    Attributes:
        requests: by how they ended.
        latency: in seconds.
        classes: texts by label.
    """

    __slots__ = ("classes", "latency", "requests")

    def __init__(self, statuses: Iterable[str], latency_edges_s: Sequence[float], labels: Iterable[str] = ()) -> None:
        self.requests = dict.fromkeys(statuses, 0)
        self.latency = Buckets(latency_edges_s)
        self.classes = dict.fromkeys(labels, 0)


class RequestCounts(Collector):
    """Shows the counts to Prometheus.

    Attributes:
        of_variants: by model and version; those without labels count requests that reached no version.
        queue: waits in seconds.
        in_flight: requests that were received and not yet answered.
    """

    def __init__(self, of_variants: Mapping[tuple[str, str], VariantCounts], queue_edges_s: Sequence[float]) -> None:
        self.of_variants = of_variants
        self.queue = Buckets(queue_edges_s)
        self.in_flight = 0

    def collect(self) -> Iterable[CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily]:
        """The series of this moment."""
        requests = CounterMetricFamily(
            "inference_requests_total", "Requests for predictions, by how they ended.", labels=(*_BY_VARIANT, "status")
        )
        latency = HistogramMetricFamily(
            "inference_latency_seconds",
            "From request received to last byte handed over, of requests that succeeded, failed or expired.",
            labels=_BY_VARIANT,
        )
        classes = CounterMetricFamily(
            "prediction_class_total", "Texts, by the label they got.", labels=(*_BY_VARIANT, "label")
        )
        for variant, counted in self.of_variants.items():
            for status, number in counted.requests.items():
                requests.add_metric((*variant, status), number)
            if counted.classes:
                latency.add_metric(variant, counted.latency.exposed(), counted.latency.total)
            for label, number in counted.classes.items():
                classes.add_metric((*variant, label), number)
        queue = HistogramMetricFamily("inference_queue_seconds", "Longest wait of a request's texts for an engine.")
        queue.add_metric((), self.queue.exposed(), self.queue.total)
        in_flight = GaugeMetricFamily("inference_in_flight", "Requests received and not yet answered.")
        in_flight.add_metric((), self.in_flight)
        return (requests, latency, classes, queue, in_flight)
