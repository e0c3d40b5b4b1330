"""What one data plane has counted for a release, read through its internal port."""

from __future__ import annotations

from collections.abc import Mapping

from seatrial.domain.errors import UnreachableError, UnreadableAnswerError
from seatrial.domain.latency import LatencyCounts
from seatrial.domain.release import ReleaseCounters, Report
from seatrial.release.data_plane import DataPlaneClient, Refusal

__all__ = ["LocalMetrics"]

_PLACE = "local"


class LocalMetrics:
    """A `MetricSource` over one data plane."""

    def __init__(self, plane: DataPlaneClient) -> None:
        self._plane = plane

    def counters(self, release: str) -> Mapping[str, Report]:
        """Its report; empty where it does not know the release (yet, or after a new start)."""
        try:
            answer = self._plane.ask("GET", "/admin/counters", query={"release": release})
        except Refusal:
            return {}
        try:
            counters = ReleaseCounters.from_json(answer["counters"])
            return {_PLACE: Report(str(answer["process"]), str(answer["tally"]), counters)}
        except (KeyError, TypeError) as error:
            raise UnreadableAnswerError(
                f"The data plane's counters of {release} cannot be read ({error!r}): it is of another release of "
                "Seatrial; use the same for both."
            ) from error

    def latencies(self, model: str, version: int) -> LatencyCounts:
        """The latency histogram of a version since the data plane's process began."""
        try:
            answer = self._plane.ask("GET", "/admin/latencies", query={"model": model, "version": str(version)})
        except Refusal as refusal:
            raise UnreachableError(f"The data plane does not serve {model}@{version} now: {refusal}") from refusal
        try:
            edges_s, counts = tuple(map(float, answer["edges_s"])), tuple(map(int, answer["counts"]))
            return LatencyCounts(edges_s, counts, float(answer["over_s"]))
        except (KeyError, TypeError, ValueError) as error:
            raise UnreadableAnswerError(f"The data plane's latencies cannot be read ({error!r}).") from error
