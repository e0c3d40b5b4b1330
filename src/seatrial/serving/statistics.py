"""Counts since the start for each version, as the V2 protocol's statistics extension reports them."""

from __future__ import annotations

import time
from dataclasses import dataclass

from seatrial.domain.inference import Outcome, PredictionRecord

__all__ = ["Statistics", "VersionStatistics"]

_FAILED = frozenset({Outcome.ERROR, Outcome.EXPIRED, Outcome.REJECTED})
"""Outcomes that are failures of the server; a client's mistake or a client that left is none."""


@dataclass(slots=True)
class VersionStatistics:
    """What one version has done since the process started.

    Attributes:
        last_success_ms: Unix time of the last answer, 0 before the first.
        texts: texts that were answered.
        latency_s: time of all answered requests together, from received to handed over.
    """

    last_success_ms: int = 0
    succeeded: int = 0
    failed: int = 0
    texts: int = 0
    latency_s: float = 0.0
    failed_s: float = 0.0
    queue_s: float = 0.0
    inference_s: float = 0.0


class Statistics:
    """A record sink that adds up; a version that was never asked has zeros."""

    def __init__(self) -> None:
        self._versions: dict[tuple[str, str], VersionStatistics] = {}

    def record(self, record: PredictionRecord) -> None:
        """Counts one finished request."""
        if record.outcome is Outcome.SUCCESS:
            version = self._versions.setdefault((record.model, record.version), VersionStatistics())
            version.last_success_ms = time.time_ns() // 1_000_000
            version.succeeded += 1
            version.texts += record.texts
            version.latency_s += record.latency_s
            version.queue_s += record.queue_s
            version.inference_s += record.inference_s
        elif record.outcome in _FAILED:
            version = self._versions.setdefault((record.model, record.version), VersionStatistics())
            version.failed += 1
            version.failed_s += record.latency_s

    def of(self, model: str, version: str) -> VersionStatistics:
        """The counts of a version."""
        return self._versions.get((model, version), VersionStatistics())
