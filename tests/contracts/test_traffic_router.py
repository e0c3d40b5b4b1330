"""What router and metric source promise: the one in memory, and the local one over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from seatrial.domain.errors import LeaseLostError, UnreachableError, UnreadableAnswerError
from seatrial.domain.release import MetricSource, TrafficRouter, TrafficSplit, WatchedRelease
from seatrial.release.data_plane import DataPlaneClient
from seatrial.release.fake_plane import FakePlane
from seatrial.release.local_metrics import LocalMetrics
from seatrial.release.local_router import LocalRouter
from tests.admin_server import admin_server
from tests.releases import BASELINE
from tests.waiting import free_port

SPLIT = TrafficSplit("m", ((2, 10.0), (1, 90.0)), "r-1")
WATCHED = WatchedRelease("r-1", 1, 2, 0, bake=False, baseline=BASELINE, mirror_percent=1.0)
USERS = [f"user-{number}" for number in range(200)]


@dataclass
class Side:
    """Both protocols, and the data plane behind them."""

    router: TrafficRouter
    metrics: MetricSource
    plane: FakePlane


@pytest.fixture(params=["fake", "local"])
def side(request: pytest.FixtureRequest) -> Iterator[Side]:
    plane = FakePlane()
    plane.loaded["m"] = {1}
    if request.param == "fake":
        yield Side(plane, plane, plane)
        return
    with admin_server(plane) as (url, _):
        client = DataPlaneClient(url)
        yield Side(LocalRouter(client), LocalMetrics(client), plane)
        client.close()


def test_a_split_is_made_true_with_what_it_needs_and_read_back(side: Side) -> None:
    assert side.router.current("m") is None
    side.router.apply(SPLIT, fence=1, watched=WATCHED)
    side.router.apply(SPLIT, fence=1, watched=WATCHED)
    assert side.router.current("m") == SPLIT
    assert side.plane.loaded["m"] == {1, 2}


def test_a_lower_fence_is_refused_and_changes_nothing(side: Side) -> None:
    side.router.apply(SPLIT, fence=3, watched=WATCHED)
    with pytest.raises(LeaseLostError):
        side.router.apply(TrafficSplit("m", ((1, 100.0),)), fence=2)
    assert side.router.current("m") == SPLIT


def test_a_version_without_traffic_is_let_go_of_once_and_again(side: Side) -> None:
    side.router.apply(SPLIT, fence=1, watched=WATCHED)
    side.router.apply(TrafficSplit("m", ((2, 100.0),), "r-1"), fence=1)
    side.router.retire("m", 1)
    side.router.retire("m", 1)
    assert side.plane.loaded["m"] == {2}


def test_counters_are_those_of_the_release_by_step_and_process(side: Side) -> None:
    assert side.metrics.counters("r-1") == {}
    side.router.apply(SPLIT, fence=1, watched=WATCHED)
    side.plane.serve("m", USERS, labels=("negative",))
    (report,) = side.metrics.counters("r-1").values()
    step = report.counters.steps[0]
    assert step.requests == 200
    assert step.challenger.classes == (step.challenger.requests, 0)
    side.plane.restart(restored=True)
    (later,) = side.metrics.counters("r-1").values()
    assert later.process != report.process
    assert later.tally == report.tally, "it was read back"
    side.router.apply(SPLIT, fence=1, watched=replace(WATCHED, step=1))
    (next_step,) = side.metrics.counters("r-1").values()
    assert [one.requests for one in next_step.counters.steps] == [200, 0]


def test_latencies_are_those_of_a_loaded_version(side: Side) -> None:
    assert side.metrics.latencies("m", 1) == side.plane.latencies("m", 1)
    with pytest.raises(UnreachableError):
        side.metrics.latencies("m", 9)


def test_a_data_plane_that_is_away_is_told(side: Side) -> None:
    side.plane.answers = False
    with pytest.raises(UnreachableError):
        side.router.apply(SPLIT, fence=1, watched=WATCHED)
    with pytest.raises(UnreachableError):
        side.router.current("m")
    with pytest.raises(UnreachableError):
        side.metrics.counters("r-1")


def test_nobody_at_the_address_is_told_with_what_to_do() -> None:
    client = DataPlaneClient(f"http://127.0.0.1:{free_port()}", timeout_s=1.0)
    with pytest.raises(UnreachableError, match=r"control\.data_plane_url"):
        LocalRouter(client).current("m")


def test_an_answer_of_something_else_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    plane = FakePlane()
    plane.loaded["m"] = {1}
    with admin_server(plane) as (url, _):
        client = DataPlaneClient(url)
        monkeypatch.setattr(client, "ask", lambda *_, **__: {"process": "p", "tally": "t", "counters": {"stages": []}})
        with pytest.raises(UnreadableAnswerError, match="cannot be read"):
            LocalMetrics(client).counters("r-1")
        client.close()


def test_versions_are_loaded_before_the_split_names_them() -> None:
    plane = FakePlane()
    plane.loaded["m"] = {1}
    with admin_server(plane) as (url, asked):
        client = DataPlaneClient(url, token="secret")
        LocalRouter(client).apply(SPLIT, fence=1, watched=WATCHED)
        client.close()
    assert asked == ["GET /admin/models", "POST /admin/load", "PUT /admin/split"]
