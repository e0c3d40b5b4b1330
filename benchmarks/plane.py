"""A data plane in a process of its own, to be swapped, overloaded, asked to end, and killed."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchmarks.machine import await_answer, free_port
from seatrial.loadgen.plan import Target
from seatrial.loadgen.usage import memory

_ADMIN_WITHIN_S = 120.0


class Plane:
    """`seatrial serve` of a project's versions; ready when its block begins, ended when it is left.

    Args:
        project: whose bundles it may load.
        ref: what it serves at first.
        settings: of section ``[serving]``.
    """

    def __init__(self, project: Path, ref: str, **settings: Any) -> None:
        self._project = project
        self._ref = ref
        self._settings = {f"SEATRIAL_SERVING__{name.upper()}": str(value) for name, value in settings.items()}
        self.port = free_port()
        self.internal_port = free_port()
        self.process: subprocess.Popen[bytes]

    @property
    def target(self) -> Target:
        """Whom a load asks."""
        return Target("127.0.0.1", self.port, pid=self.process.pid)

    @property
    def rss_bytes(self) -> int:
        """Memory it holds now; 0 where this system does not say."""
        held = memory(self.process.pid)
        return held.rss_bytes if held else 0

    def start(self) -> float:
        """Starts the process.

        Returns:
            Seconds until it was ready.
        """
        # -P: no module of the working directory may stand in the place of an installed one.
        command = [sys.executable, "-P", "-m", "seatrial.cli", "serve", self._ref, "-C", str(self._project)]
        command += ["--port", str(self.port), "--internal-port", str(self.internal_port), "--grpc-port", "0"]
        started_s = time.monotonic()
        self.process = subprocess.Popen(
            command,
            env={**os.environ, **self._settings},
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        await_answer(self.port, "/ready", self.process, within_s=60.0)
        return time.monotonic() - started_s

    def predict(self, text: str) -> tuple[int, Mapping[str, Any]]:
        """One request on a connection of its own; (0, {}) where there is no answer."""
        return self._post(self.port, "/predict", {"texts": [text]}, 10.0)

    def admin(self, action: str, **body: str) -> None:
        """Tells the internal port to load, switch or unload.

        Raises:
            SystemExit: it refused.
        """
        status, answer = self._post(self.internal_port, f"/admin/{action}", body, _ADMIN_WITHIN_S)
        if not 200 <= status < 300:
            raise SystemExit(f"POST /admin/{action} {body} got {status}: {dict(answer)}")

    def requests_ended(self) -> int:
        """Requests that the plane has counted, however they ended."""
        connection = http.client.HTTPConnection("127.0.0.1", self.internal_port, timeout=10)
        connection.request("GET", "/metrics")
        lines = connection.getresponse().read().decode().splitlines()
        connection.close()
        return sum(int(float(line.rpartition(" ")[2])) for line in lines if line.startswith("inference_requests_total"))

    def end(self, number: signal.Signals) -> float:
        """Sends a signal and returns when, without waiting."""
        now_s = time.monotonic()
        self.process.send_signal(number)
        return now_s

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    @staticmethod
    def _post(port: int, path: str, body: Mapping[str, Any], within_s: float) -> tuple[int, Mapping[str, Any]]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=within_s)
        try:
            connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            read = answer.read()
            return answer.status, json.loads(read) if read else {}
        except (OSError, http.client.HTTPException, ValueError):
            return 0, {}
        finally:
            connection.close()
