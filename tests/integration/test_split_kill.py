"""`seatrial serve` as a process, killed in the middle of a release: the split holds, nothing counts twice."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from seatrial.bundle import BundleIndex
from seatrial.domain.traffic import TrafficSplit
from tests.builders import onnx_bundle
from tests.data_plane import eventually
from tests.splits import order

UNITS = [f"user-{number}" for number in range(60)]


class Plane:
    """A data plane in a process of its own."""

    def __init__(self, home: Path) -> None:
        command = [sys.executable, "-m", "seatrial.cli", "serve", "tiny@1", "--json"]
        ports = ["--port", "0", "--internal-port", "0", "--grpc-port", "0"]
        self.process = subprocess.Popen(
            [*command, *ports], stdout=subprocess.PIPE, text=True, cwd=home.parent,
            env={**os.environ, "SEATRIAL_HOME": str(home)},
        )  # fmt: skip
        text = ""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            text += line
            with contextlib.suppress(ValueError):
                self.announced = json.loads(text)
                return
        raise AssertionError(f"no announcement, only: {text}")

    def ask(self, method: str, path: str, document: Any = None) -> Any:
        """The document of an answer with status 200."""
        url = urlsplit(self.announced["internal" if path.startswith("/admin") else "public"])
        with contextlib.closing(http.client.HTTPConnection(str(url.hostname), url.port, timeout=30)) as connection:
            body = json.dumps(document) if document else None
            connection.request(method, path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            read = json.loads(answer.read())
            assert answer.status == 200, read
            return read

    def versions(self) -> dict[str, int]:
        return {unit: int(self.ask("POST", "/predict", {"texts": ["good"], "unit": unit})["version"]) for unit in UNITS}

    def step(self) -> Any:
        return self.ask("GET", "/admin/counters?release=r-1")["counters"]["steps"][0]


@contextlib.contextmanager
def plane(home: Path) -> Iterator[Plane]:
    served = Plane(home)
    try:
        yield served
    finally:
        served.process.kill()
        served.process.wait()
        assert served.process.stdout is not None
        served.process.stdout.close()


def units(step: Any) -> int:
    return int(step["champion"]["units"] + step["challenger"]["units"])


def test_a_killed_data_plane_goes_on_with_its_split_and_its_counters(tmp_path: Path) -> None:
    home = tmp_path / "home"
    index = BundleIndex(home / "bundles")
    for version in (1, 2):
        index.add(onnx_bundle(home / "bundles" / "tiny" / str(version) / "onnx-fp32", version=version))
    split = TrafficSplit.from_json(order(50)["split"])
    expected = {unit: split.version_of(unit) for unit in UNITS}
    tally = home / "tallies" / "tiny.tally"
    with plane(home) as served:
        served.ask("POST", "/admin/load", {"ref": "tiny@2"})
        served.ask("PUT", "/admin/split", order(50))
        assert served.versions() == expected
        eventually(lambda: written(tally) == len(UNITS))
        served.process.kill()
        served.process.wait()
    with plane(home) as served:
        assert units(served.step()) == len(UNITS)
        assert served.versions() == expected
        assert units(served.step()) == len(UNITS), "who was counted before the kill does not count again"
        served.process.terminate()
        assert served.process.wait(30) == 0
    with plane(home) as served:
        step = served.step()
        assert step["champion"]["requests"] + step["challenger"]["requests"] == 2 * len(UNITS), "a clean end loses none"


def written(tally: Path) -> int:
    """Requests of both arms, as the last line of the file says."""
    if not tally.exists():
        return 0
    counters = json.loads(tally.read_text("utf-8").splitlines()[-1][9:])["counters"]
    return sum(step[arm]["requests"] for step in counters["steps"] for arm in ("champion", "challenger"))
