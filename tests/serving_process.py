"""`seatrial serve` as a user runs it: a process of its own on free loopback ports, asked over HTTP."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.waiting import free_port, until

__all__ = ["ServingProcess", "serving"]

_STOP_S = 30


@dataclass(frozen=True)
class ServingProcess:
    """Where a data plane listens."""

    port: int
    internal_port: int

    def predict(self, texts: Sequence[str], **fields: Any) -> dict[str, Any]:
        """The answer of POST /predict."""
        body = json.dumps({"texts": list(texts), **fields}).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/predict", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as response:
            answer: dict[str, Any] = json.load(response)
        return answer

    def get(self, path: str, *, internal: bool = False) -> tuple[int, str]:
        """Status and body of a GET; (0, "") where nothing answers."""
        port = self.internal_port if internal else self.port
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as response:
                return int(response.status), response.read().decode()
        except OSError:
            return 0, ""


@contextlib.contextmanager
def serving(
    command: Sequence[str | Path], cwd: Path, environment: Mapping[str, str] | None = None
) -> Iterator[ServingProcess]:
    """Runs `command`, a ``seatrial serve`` without ports, until the block is left; it must end with 0 then."""
    plane = ServingProcess(free_port(), free_port())
    ports = ["--port", str(plane.port), "--internal-port", str(plane.internal_port), "--grpc-port", "0"]
    process = subprocess.Popen(
        [*command, *ports], cwd=cwd, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        until(lambda: plane.get("/ready")[0] == 200, process)
        yield plane
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            _, errors = process.communicate(timeout=_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise
    assert process.returncode == 0, errors.decode()[-3000:]
