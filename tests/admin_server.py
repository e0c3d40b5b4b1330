"""The internal port's paths for splits and counters, over a data plane in memory: what the local router speaks to."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from seatrial.domain.assignment import Assignment
from seatrial.domain.errors import LeaseLostError, UnreachableError
from seatrial.domain.release import FrozenBaseline, TrafficSplit, WatchedRelease
from seatrial.release.fake_plane import FakePlane

__all__ = ["admin_server"]

Answer = tuple[int, dict[str, Any]]


class _Admin:
    """Documents to calls and back, as docs/http.md describes them."""

    def __init__(self, plane: FakePlane) -> None:
        self.plane = plane
        self.fences: dict[str, int] = {}
        self.asked: list[str] = []

    def put_split(self, body: dict[str, Any]) -> Answer:
        split, release = TrafficSplit.from_json(body["split"]), body["release"]
        missing = [version for version, _ in split.percents if version not in self.plane.loaded.get(split.model, ())]
        if missing:
            return 409, {"error": f"Not loaded: {missing}."}
        watched = None
        if release is not None:
            names = ("champion", "challenger", "step", "bake", "mirror_percent")
            baseline = FrozenBaseline.from_json(release["baseline"])
            watched = WatchedRelease(release["id"], baseline=baseline, **{name: release[name] for name in names})
        experiment = Assignment.from_json(body["experiment"]) if body.get("experiment") else None
        self.plane.apply(split, fence=body["fence"], watched=watched, experiment=experiment)
        self.fences[split.model] = body["fence"]
        return self.get_split({"model": split.model})

    def get_split(self, query: dict[str, str]) -> Answer:
        split = self.plane.current(query["model"])
        return 200, {"split": split and split.to_json(), "fence": self.fences.get(query["model"], 0)}

    def counters(self, query: dict[str, str]) -> Answer:
        found = self.plane.counters(query["release"])
        if not found:
            return 404, {"error": "No such release here."}
        report = found["local"]
        names = {"process": report.process, "tally": report.tally}
        return 200, {"release": query["release"], **names, "counters": report.counters.to_json()}

    def latencies(self, query: dict[str, str]) -> Answer:
        try:
            counts = self.plane.latencies(query["model"], int(query["version"]))
        except UnreachableError as error:
            return 404, {"error": str(error)}
        return 200, {"edges_s": counts.edges_s, "counts": counts.counts, "over_s": counts.over_s}

    def models(self, _: dict[str, str]) -> Answer:
        listed = [
            {"model": model, "versions": [{"version": str(version)} for version in versions]}
            for model, versions in self.plane.loaded.items()
        ]
        return 200, {"models": listed}

    def load(self, body: dict[str, Any]) -> Answer:
        model, _, version = body["ref"].partition("@")
        self.plane.loaded.setdefault(model, set()).add(int(version))
        return 200, body

    def unload(self, body: dict[str, Any]) -> Answer:
        model, _, version = body["ref"].partition("@")
        self.plane.retire(model, int(version))
        return 200, body

    def answer(self, method: str, url: str, body: dict[str, Any]) -> Answer:
        parts = urlsplit(url)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        self.asked.append(f"{method} {parts.path}")
        paths: dict[str, Callable[[dict[str, Any]], Answer]] = {
            "PUT /admin/split": self.put_split,
            "GET /admin/split": self.get_split,
            "GET /admin/counters": self.counters,
            "GET /admin/latencies": self.latencies,
            "GET /admin/models": self.models,
            "POST /admin/load": self.load,
            "POST /admin/unload": self.unload,
        }
        try:
            return paths[self.asked[-1]](query or body)
        except LeaseLostError as error:
            return 409, {"error": str(error)}
        except UnreachableError as error:
            return 503, {"error": str(error)}


@contextlib.contextmanager
def admin_server(plane: FakePlane) -> Iterator[tuple[str, list[str]]]:
    """The URL of a server, and what it was asked, in order."""
    admin = _Admin(plane)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            length = int(self.headers.get("content-length", 0))
            body = json.loads(self.rfile.read(length) or b"{}")
            status, document = admin.answer(self.command, self.path, body)
            content = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_PUT = do_POST = _answer  # noqa: N815  the names that the library calls

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", admin.asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
