"""`seatrial up` as a user runs it: two processes, one of them killed, and a clean end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.houses import MODEL
from tests.projects import seatrial_json
from tests.releases import new_house

pytestmark = pytest.mark.slow


def get(url: str) -> Any:
    """The JSON document there; None where nothing answers."""
    try:
        with urllib.request.urlopen(url, timeout=10) as response:
            return json.load(response)
    except OSError:
        return None


def children(process: subprocess.Popen[str]) -> dict[str, int]:
    """Process ids by command."""
    listed = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    words = {int(pid): Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0") for pid in listed}
    return {command[4].decode(): pid for pid, command in words.items() if len(command) > 4}


def await_change(process: subprocess.Popen[str], what: str, before: int) -> None:
    """Until another process does it."""
    deadline_s = time.monotonic() + 60
    while children(process).get(what, before) == before:
        assert process.poll() is None
        assert time.monotonic() < deadline_s
        time.sleep(0.05)


def test_both_planes_run_come_back_and_end_together(tmp_path: Path) -> None:
    project = tmp_path / "project"
    new_house(project)
    (project / "seatrial.toml").write_text(f'[model]\nname = "{MODEL}"\n', "utf-8")
    ports = {
        f"SEATRIAL_{name}": "0"
        for name in ("SERVING__PORT", "SERVING__INTERNAL_PORT", "SERVING__GRPC_PORT", "CONTROL__PORT")
    }
    environment = {**os.environ, **ports, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "seatrial.cli", "up", "--json"]
    with subprocess.Popen(
        command, cwd=project, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as up:
        try:
            assert up.stdout is not None
            printed = ""
            while "}" not in printed:
                printed += up.stdout.readline()
            addresses = json.loads(printed)
            assert addresses["models"] == [f"{MODEL}@1"]
            assert get(f"{addresses['control']}/api/v1/ledger")[0]["seq"] == 1
            for what in ("serve", "control"):
                killed = children(up)[what]
                os.kill(killed, signal.SIGKILL)
                await_change(up, what, killed)
            deadline_s = time.monotonic() + 60
            while get(f"{addresses['public']}/health") is None or get(f"{addresses['control']}/api/v1/ledger") is None:
                assert time.monotonic() < deadline_s
                time.sleep(0.05)
            pids = list(children(up).values())
        finally:
            up.send_signal(signal.SIGTERM)
            _, errors = up.communicate(timeout=60)
    assert up.returncode == 0, errors[-3000:]
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]
    status = seatrial_json(project, "release", "status")
    assert status == {"model": MODEL, "release": None, "releases": []}
