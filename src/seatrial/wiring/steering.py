"""What steers the traffic of a project: its router, its metric source, the decision about a release, its baseline."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seatrial.bundle import BundleIndex
from seatrial.config import Settings
from seatrial.domain.errors import ConfigError, DependencyError, UsageError
from seatrial.domain.evidence import Finding
from seatrial.domain.latency import LatencyCounts
from seatrial.domain.model import Alias
from seatrial.domain.release import (
    Decision,
    FrozenBaseline,
    MetricSource,
    ReleaseCounters,
    ReleasePlan,
    ReleaseState,
    TrafficRouter,
)

if TYPE_CHECKING:
    from seatrial.release.data_plane import DataPlaneClient

__all__ = [
    "LEAST_BASELINE_REQUESTS",
    "Steering",
    "data_plane_url",
    "decide",
    "freeze_baseline",
    "live_traffic",
    "plan_of",
    "steering",
]

LEAST_BASELINE_REQUESTS = 100
"""Requests of production that its latency thresholds are read from, at least."""


@dataclass(frozen=True, slots=True)
class Steering:
    """Where splits are set, and where counters are read."""

    router: TrafficRouter
    metrics: MetricSource
    plane: DataPlaneClient | None = None

    def close(self) -> None:
        """Closes what was opened."""
        if self.plane is not None:
            self.plane.close()


def steering(settings: Settings) -> Steering:
    """Router and metric source of the project's data plane; nothing is connected yet.

    Raises:
        ConfigError: the token cannot be read.
    """
    from seatrial.release.data_plane import DataPlaneClient
    from seatrial.release.local_metrics import LocalMetrics
    from seatrial.release.local_router import LocalRouter

    plane = DataPlaneClient(data_plane_url(settings), _token(settings), settings.control.data_plane_timeout_s)
    return Steering(LocalRouter(plane), LocalMetrics(plane), plane)


def data_plane_url(settings: Settings) -> str:
    """Where the data plane's internal port is."""
    if settings.control.data_plane_url:
        return settings.control.data_plane_url
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.serving.host, settings.serving.host)  # noqa: S104  where it listens everywhere, it is here too
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.serving.internal_port}"


def plan_of(settings: Settings) -> ReleasePlan:
    """The plan that the settings describe.

    Raises:
        ReleasePlanError: its shares or limits are impossible.
    """
    from seatrial.release.presets import plan_from

    return plan_from(settings.release)


def decide(
    plan: ReleasePlan, state: ReleaseState, counters: ReleaseCounters, now_s: float, human: Sequence[Finding]
) -> Decision:
    """What to do with a release now; see `release.decide`."""
    from seatrial.release.decide import decide

    return decide(plan, state, counters, now_s, human)


def freeze_baseline(metrics: MetricSource, state: ReleaseState, labels: Sequence[str], rungs: int) -> FrozenBaseline:
    """Thresholds from production's own latencies, and the labels that are counted.

    Raises:
        UnreachableError: the data plane does not answer.
        UsageError: production has answered too few requests.
    """
    from seatrial.domain.latency import LATENCY_LADDER_S, rung_near, tolerant_s
    from seatrial.stats.exceedances import frozen_thresholds

    seen = metrics.latencies(state.model, state.champion)
    if seen.requests < LEAST_BASELINE_REQUESTS:
        raise UsageError(
            f"{state.model}@{state.champion} has answered {seen.requests} requests since its data plane began; its "
            f"latency is judged from {LEAST_BASELINE_REQUESTS} on: send traffic first, then start the release."
        )
    highest_s = LATENCY_LADDER_S[-1 - rungs]  # above it there are not so many rungs left
    found_s = frozen_thresholds(seen.edges_s, seen.counts, rung_near)
    thresholds_s = tuple(one for one in found_s if one <= highest_s)
    return FrozenBaseline(
        thresholds_s,
        tuple(tolerant_s(one, rungs) for one in thresholds_s),
        tuple(labels),
        seen.requests,
        tuple(seen.above(one) for one in thresholds_s),
    )


def live_traffic(settings: Settings) -> LatencyCounts | None:
    """What production has answered since its data plane began; None where none runs or it has answered too little."""
    version = BundleIndex(settings.bundles_dir).aliases(settings.model.name).get(Alias.PRODUCTION.value)
    if version is None:
        return None
    with contextlib.closing(steering(settings)) as opened:
        try:
            seen = opened.metrics.latencies(settings.model.name, version)
        except DependencyError:
            return None
    return seen if seen.over_s > 0 and seen.requests >= LEAST_BASELINE_REQUESTS else None


def _token(settings: Settings) -> str:
    name = settings.control.data_plane_token_file
    if not name:
        return ""
    path = settings.project_dir / name
    try:
        return path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"control.data_plane_token_file: {path} cannot be read ({error}).") from error
