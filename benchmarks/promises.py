"""What a newcomer is promised: a fast start, a demonstration within minutes, artifacts that are small and exact."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.machine import await_answer, free_port, run
from benchmarks.table import Figure

ROOT = Path(__file__).parent.parent
SCRIPT = Path(sys.executable).parent / "seatrial"
ROUNDS = 5


def quick_figures() -> list[Figure]:
    """What every command costs before it does anything."""
    importing = median_s(lambda: run([sys.executable, "-c", "import seatrial"]))
    bare = median_s(lambda: run([sys.executable, "-c", "pass"]))
    helping = median_s(lambda: run([str(SCRIPT), "--help"]))
    return [
        Figure("`import seatrial`", f"{importing:.2f} s (Python alone {bare:.2f} s)", "under 0.3 s", importing < 0.3),
        Figure("`seatrial --help`", f"{helping:.2f} s", "under 0.7 s", helping < 0.7),
    ]


def fresh_demo() -> tuple[Path, list[Figure]]:
    """A newcomer's first ten minutes: clone, one command, and the same command again."""
    directory = Path(tempfile.mkdtemp(prefix="seatrial-bench-"))
    run(["git", "clone", "--quiet", str(ROOT), str(directory / "clone")])
    environment = {
        key: value for key, value in os.environ.items() if key not in ("VIRTUAL_ENV", "MAKEFLAGS", "MAKELEVEL")
    }
    seconds: list[float] = []
    summaries: list[dict[str, Any]] = []
    for _ in range(2):
        started = time.monotonic()
        printed = run(["make", "-s", "demo", "ARGS=--exit --json"], cwd=directory / "clone", env=environment)
        seconds.append(time.monotonic() - started)
        summaries.append(json.loads(printed[printed.index("{") :]))
    first, accuracy = summaries[0], summaries[0]["metrics"]["accuracy"]
    shutil.rmtree(directory / "clone" / ".venv")
    return directory / "clone" / "seatrial-demo", [
        Figure(
            "`make demo ARGS=--exit`, fresh clone, installation included",
            f"{seconds[0]:.0f} s",
            "under 600 s",
            seconds[0] < 600,
        ),
        Figure("of which from prepare to serving", f"{first['seconds']:.0f} s", "", True),
        Figure("the same again", f"{seconds[1]:.1f} s", "under 30 s", seconds[1] < 30),
        Figure("accuracy on held-out rows", f"{accuracy:.4f}", "at least 0.86", accuracy >= 0.86),
    ]


def project_figures(project: Path) -> list[Figure]:
    """What the demonstration's artifacts show, and how fast they are served."""
    shown = json.loads(run([str(SCRIPT), "models", "show", "bert-sentiment@production", "-C", str(project), "--json"]))
    found = {(f["check"], f["subject"].rpartition("/")[2]): f for f in shown["findings"]}
    directories = {artifact["artifact"]: Path(artifact["directory"]) for artifact in shown["artifacts"]}
    sizes = {
        name: sum(file.stat().st_size for file in directory.glob("model.onnx*"))
        for name, directory in directories.items()
    }
    share = sizes["onnx-int8"] / sizes["onnx-fp32"]
    flips, loss = found["conversion.flip_rate", "onnx-int8"], found["conversion.accuracy_loss", "onnx-int8"]
    exact = found["conversion.probability_difference", "onnx-fp32"]
    ready = statistics.median(ready_s(directories["onnx-fp32"]) for _ in range(ROUNDS))
    return [
        Figure("int8: upper bound of changed labels", f"{flips['value']:.2%}", "at most 2 %", flips["value"] <= 0.02),
        Figure("int8: accuracy lost", f"{loss['value'] * 100:.2f} points", "at most 0.5", loss["value"] <= 0.005),
        Figure("int8: size of the graph against fp32", f"{share:.1%}", "at most 35 %", share <= 0.35),
        Figure("fp32: largest probability difference", f"{exact['value']:.1e}", "at most 1e-5", exact["value"] <= 1e-5),
        Figure("`seatrial serve` until ready, fp32", f"{ready:.2f} s", "under 3 s", ready < 3),
    ]


def ready_s(bundle: Path) -> float:
    """Seconds from starting the process to a 200 from /ready."""
    port, internal = free_port(), free_port()
    command = [str(SCRIPT), "serve", "--bundle", str(bundle), "--port", str(port), "--internal-port", str(internal)]
    command += ["--grpc-port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        return await_answer(port, "/ready", process, within_s=60.0)
    finally:
        process.terminate()
        process.wait(timeout=30)


def median_s(work: Callable[[], object]) -> float:
    """Median seconds of some rounds, after one that warms the disk's cache."""
    work()
    seconds = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)
