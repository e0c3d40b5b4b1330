"""`seatrial up` as a user runs it: processes of which one is killed, all of them in the end, and clean ends."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit

import pytest

from tests.houses import MODEL
from tests.projects import seatrial_json
from tests.releases import new_house

pytestmark = pytest.mark.slow

PORTS = {
    f"SEATRIAL_{name}": "0"
    for name in ("SERVING__PORT", "SERVING__INTERNAL_PORT", "SERVING__GRPC_PORT", "CONTROL__PORT")
}


@dataclass
class Up:
    """The command, and what it has announced."""

    process: subprocess.Popen[str]
    addresses: dict[str, Any]

    def children(self) -> dict[str, int]:
        """Process ids by command."""
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        words = {int(pid): Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0") for pid in listed}
        return {command[4].decode(): pid for pid, command in words.items() if len(command) > 4}


@contextlib.contextmanager
def up(project: Path, *arguments: str) -> Iterator[Up]:
    """Runs it until the block is left."""
    with subprocess.Popen(
        [sys.executable, "-m", "seatrial.cli", "up", "--json", *arguments],
        cwd=project,
        env={**os.environ, **PORTS, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            printed = ""
            while "}" not in printed:
                line = process.stdout.readline()
                assert line, process.communicate()[1][-3000:]
                printed += line
            yield Up(process, json.loads(printed))
        finally:
            process.terminate()
            process.communicate(timeout=60)


def project_in(directory: Path, model: str = MODEL) -> Path:
    """A project with a version in production."""
    new_house(directory, model)
    (directory / "seatrial.toml").write_text(f'[model]\nname = "{model}"\n', "utf-8")
    return directory


def get(url: str) -> Any:
    """The JSON document there; None where nothing answers."""
    try:
        with urllib.request.urlopen(url, timeout=10) as response:
            return json.load(response)
    except OSError:
        return None


def predict(url: str) -> Any:
    """What is answered to a text, whatever the status."""
    request = urllib.request.Request(url, b'{"texts": ["good"]}', {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.load(response)
    except HTTPError as refused:
        return json.load(refused)


def runs(pid: int) -> bool:
    """Whether a process has not ended; one that nobody has taken leave of has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def until(true: Callable[[], object], within_s: float = 60.0) -> None:
    """Waits for something that stays true once it is."""
    deadline_s = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline_s
        time.sleep(0.05)


def test_both_planes_come_back_and_end_together(tmp_path: Path) -> None:
    project = project_in(tmp_path / "project")
    with up(project) as running:
        addresses, first = running.addresses, running.children()
        assert addresses["models"] == [f"{MODEL}@1"]
        assert get(f"{addresses['control']}/api/v1/ledger")[0]["seq"] == 1

        second = subprocess.run(
            [sys.executable, "-m", "seatrial.cli", "serve"],
            cwd=project, env={**os.environ, **PORTS}, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert second.returncode == 2
        assert f"process {first['serve']}" in second.stderr

        os.kill(first["control"], signal.SIGKILL)
        until(lambda: get(f"{addresses['control']}/api/v1/ledger"))
        assert running.children()["serve"] == first["serve"], "the data plane outlives the control plane"
        assert get(f"{addresses['public']}/health")["status"] == "healthy"

        os.kill(first["serve"], signal.SIGKILL)
        until(lambda: get(f"{addresses['public']}/health"))
        pids = list(running.children().values())
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(60) == 0
    assert not any(map(runs, pids))
    status = seatrial_json(project, "release", "status")
    assert status == {"model": MODEL, "release": None, "releases": []}


def test_it_keeps_two_projects_and_when_killed_leaves_no_process_and_no_port_behind(tmp_path: Path) -> None:
    projects = [project_in(tmp_path / "one", "one"), project_in(tmp_path / "two", "two")]
    with up(tmp_path, *map(str, projects)) as running:
        addresses, pids = running.addresses, list(running.children().values())
        assert len(pids) == 2
        assert addresses["models"] == ["one@1", "two@1"]
        for model in ("one", "two"):
            assert predict(f"{addresses['public']}/models/{model}/predict")["model"] == model
            assert get(f"{addresses['control']}/api/v1/ledger?model={model}")[0]["model"] == model
        assert "one, two" in predict(f"{addresses['public']}/predict")["error"]
        running.process.kill()
        running.process.wait()
        until(lambda: not any(map(runs, pids)))
    for name in ("public", "internal", "control"):
        socket.create_server(("127.0.0.1", urlsplit(addresses[name]).port or 0)).close()


def test_ctrl_c_is_obeyed_at_once_while_a_process_cannot_come_back(tmp_path: Path) -> None:
    project = project_in(tmp_path / "project")
    with up(project) as running:
        (project / ".seatrial" / "bundles" / "index.json").unlink()
        os.kill(running.children()["serve"], signal.SIGKILL)
        assert running.process.stderr is not None
        for line in running.process.stderr:
            if "not ready" in line:
                break  # it pauses now
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(20) == 0
