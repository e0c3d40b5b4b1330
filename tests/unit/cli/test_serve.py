"""`seatrial serve` runs on the core install: with every package of the extras hidden."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from seatrial.flows.extras import EXTRAS
from tests.builders import onnx_bundle

FORBIDDEN = sorted({module for modules in EXTRAS.values() for module in modules} | {"pandas", "huggingface_hub"})
HIDDEN = """
import sys
FORBIDDEN = set(sys.argv.pop(1).split(","))

class Hiding:
    def __init__(self, finder):
        self.finder = finder
    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] in FORBIDDEN else self.finder.find_spec(name, path, target)

sys.meta_path[:] = map(Hiding, sys.meta_path)
from seatrial.cli.main import run
run()
"""


@contextlib.contextmanager
def started(directory: Path, *arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", HIDDEN, ",".join(FORBIDDEN), *map(str, arguments)]
    with subprocess.Popen(command, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        try:
            yield running
        finally:
            running.kill()


def document(running: subprocess.Popen[str]) -> dict[str, Any]:
    """What the command prints when it is ready: the only thing it prints at all."""
    assert running.stdout is not None
    printed = ""
    while not printed.endswith("}\n"):
        line = running.stdout.readline()
        assert line, running.communicate()[1]
        printed += line
    addresses: dict[str, Any] = json.loads(printed)
    return addresses


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serving_needs_nothing_but_the_core_install(tmp_path: Path, number: signal.Signals) -> None:
    bundle = onnx_bundle(tmp_path / "bundle")
    free = ("--port", "0", "--internal-port", "0", "--grpc-port", "0", "--json")
    with started(tmp_path, "serve", "--bundle", bundle.directory, *free) as running:
        addresses = document(running)
        assert addresses["models"] == ["tiny@1"]
        body = json.dumps({"texts": ["a good film", "a dull plot"]}).encode()
        request = urllib.request.Request(f"{addresses['public']}/predict", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as response:
            assert json.load(response)["predictions"] == ["positive", "negative"]
        running.send_signal(number)
        output, problems = running.communicate(timeout=60)
    assert (running.returncode, output) == (0, ""), problems
    assert "Traceback" not in problems


def test_a_package_that_is_hidden_is_missed(tmp_path: Path) -> None:
    """Hiding works, and the command line says which extra to install."""
    with started(tmp_path, "models", "list") as running:
        output, problems = running.communicate(timeout=60)
    assert (running.returncode, output) == (3, "")
    assert "pip install 'seatrial[" in problems


@pytest.mark.parametrize("arguments", [["--help"], ["config", "show"], ["doctor"], ["init"]], ids=" ".join)
def test_what_needs_no_extra_works_without(tmp_path: Path, arguments: list[str]) -> None:
    with started(tmp_path, *arguments) as running:
        _, problems = running.communicate(timeout=60)
    assert running.returncode == 0, problems
