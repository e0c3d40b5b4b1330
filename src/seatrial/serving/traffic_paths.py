"""The paths of the internal port by which a control plane splits traffic, and reads what came of it."""

from __future__ import annotations

from typing import Any

from seatrial.domain.errors import InvalidRequestError
from seatrial.domain.latency import LATENCY_EDGES_S
from seatrial.serving.admin_requests import Answering, read_document, read_query
from seatrial.serving.asgi import Receive, Reply, Scope, json_reply
from seatrial.serving.plane import DataPlane
from seatrial.serving.split_orders import SplitOrder
from seatrial.serving.traffic import TrafficState

__all__ = ["traffic_routes"]


def traffic_routes(plane: DataPlane) -> dict[str, dict[str, Answering]]:
    """What answers each path, by method."""

    async def put_split(scope: Scope, receive: Receive) -> Reply:
        order = await read_document(scope, receive, SplitOrder)
        plane.require_ready()
        return json_reply(200, _words(await plane.orders.follow(order)))

    async def get_split(scope: Scope, _receive: Receive) -> Reply:
        return json_reply(200, _words(plane.orders.state(_asked(scope, "model"))))

    async def counters(scope: Scope, _receive: Receive) -> Reply:
        release = _asked(scope, "release")
        counted = plane.tallies.counters(release).to_json()
        names = {"process": plane.orders.process, "tally": plane.tallies.name(release)}
        return json_reply(200, {"release": release, **names, "counters": counted})

    async def latencies(scope: Scope, _receive: Receive) -> Reply:
        model, version = _asked(scope, "model"), _asked(scope, "version")
        counts = plane.metrics.latency_counts(model, version)
        over_s = plane.metrics.counted_for_s(model, version)
        return json_reply(200, {"edges_s": LATENCY_EDGES_S, "counts": counts, "over_s": over_s})

    return {
        "/admin/split": {"GET": get_split, "PUT": put_split},
        "/admin/counters": {"GET": counters},
        "/admin/latencies": {"GET": latencies},
    }


def _asked(scope: Scope, name: str) -> str:
    value = read_query(scope).get(name)
    if not value:
        raise InvalidRequestError(f"{name} is missing: ask for {scope['path']}?{name}=….")
    return value


def _words(state: TrafficState) -> dict[str, Any]:
    return {
        "split": state.split,
        "fence": state.fence,
        "release": state.release,
        "process": state.process,
        "fault": state.fault,
        "experiment": state.experiment,
    }
