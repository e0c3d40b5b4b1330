"""Every example runs as its README says: in a copy, with the commands on PATH, twice."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.waiting import free_port

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[2] / "examples"
SCRIPTS = sorted(path.parent.name for path in EXAMPLES.glob("*/run.sh"))
LABELS = {"01-your-own-model": ["negative", "positive"], "02-own-code": ["billing", "delivery", "technical"]}
"""What each example must print: the labels of the texts it asks about, in their order."""
MADE = shutil.ignore_patterns("model", "model.joblib", "reviews.csv", ".*")
"""What an earlier run may have left in the tree."""


def test_every_example_is_known() -> None:
    assert sorted(LABELS) == SCRIPTS
    assert all((EXAMPLES / name / "README.md").is_file() for name in SCRIPTS)


@pytest.mark.parametrize("name", SCRIPTS)
def test_an_example_runs_twice_and_leaves_nothing_running(name: str, tmp_path: Path) -> None:
    copy = shutil.copytree(EXAMPLES / name, tmp_path / name, ignore=MADE)
    ports = {"SEATRIAL_SERVING__PORT": str(free_port()), "SEATRIAL_SERVING__INTERNAL_PORT": str(free_port())}
    ports["SEATRIAL_SERVING__GRPC_PORT"] = "0"
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for _ in range(2):
        ended = subprocess.run(
            [copy / "run.sh"],
            cwd=tmp_path, env={**os.environ, **ports, "PATH": path}, capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-3000:]
        assert re.findall(r"^ *(\w+) \d\.\d{3}  ", ended.stdout, re.MULTILINE) == LABELS[name], ended.stdout
        for port in ports.values():
            with socket.socket() as probe:
                assert probe.connect_ex(("127.0.0.1", int(port))) != 0, "a server is still running"


@pytest.mark.parametrize("name", SCRIPTS)
def test_without_seatrial_an_example_says_what_to_install(name: str, tmp_path: Path) -> None:
    ended = subprocess.run(
        [EXAMPLES / name / "run.sh"],
        cwd=tmp_path, env={**os.environ, "SEATRIAL": "no-such-program"}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert ended.returncode == 1
    assert "pip install" in ended.stderr
