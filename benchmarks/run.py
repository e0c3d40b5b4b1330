"""`make bench`: measures what the project promises and writes benchmarks/RESULTS.md.

    python -m benchmarks.run                 everything; a fresh clone is installed, so it takes a quarter of an hour
    python -m benchmarks.run --skip-fresh    without the fresh clone; uses the project of an earlier demo

Run it on an idle machine: two cores shared with anything else measure something else.
"""

from __future__ import annotations

import argparse
import datetime as dt
import http.client
import json
import os
import platform
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "RESULTS.md"
SCRIPT = Path(sys.executable).parent / "seatrial"
ROUNDS = 5
LIBRARIES = ("torch", "transformers", "onnxruntime", "tokenizers", "mlflow", "fastapi", "numpy")


@dataclass(frozen=True)
class Figure:
    """One measured figure, and what is demanded of it.

    Attributes:
        limit: the demand as a sentence.
        met: whether the figure meets it.
    """

    what: str
    value: str
    limit: str
    met: bool


def main() -> None:
    """Measures, prints, writes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--skip-fresh", action="store_true", help="do not clone and install anew")
    parser.add_argument("--project", type=Path, default=ROOT / "seatrial-demo", help="project of an earlier demo")
    arguments = parser.parse_args()
    figures = quick_figures()
    if arguments.skip_fresh:
        project = arguments.project
    else:
        project, fresh = fresh_demo()
        figures += fresh
    figures += project_figures(project)
    report = render(figures)
    print(report)
    RESULTS.write_text(report, "utf-8")


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
    sizes = {name: (directory / "model.onnx").stat().st_size for name, directory in directories.items()}
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
    command = [
        str(SCRIPT),
        "serve",
        "--bundle",
        str(bundle),
        "--port",
        str(port),
        "--internal-port",
        str(internal),
        "--grpc-port",
        "0",
    ]
    started = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while time.monotonic() - started < 60:
            if answers(port):
                return time.monotonic() - started
            time.sleep(0.01)
        raise SystemExit("seatrial serve did not become ready within a minute.")
    finally:
        process.terminate()
        process.wait(timeout=30)


def answers(port: int) -> bool:
    """Whether /ready says 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/ready")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def median_s(work: Callable[[], object]) -> float:
    """Median seconds of some rounds, after one that warms the disk's cache."""
    work()
    seconds = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def run(command: list[str], **options: Any) -> str:
    """Runs a command, its own words on standard error; stops the measurement if it fails."""
    printed: str = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, **options).stdout
    return printed


def render(figures: list[Figure]) -> str:
    """The page, with machine, versions and date."""
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in LIBRARIES)
    lines = [
        "# Results",
        "",
        "Written by `make bench`. Absolute figures hold on the machine named only.",
        "",
        f"- date: {dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M} UTC",
        f"- machine: {processor()}, {os.cpu_count()} cores, {memory_gib():.0f} GiB memory, {platform.system()}",
        f"- Python {platform.python_version()}, {versions}",
        "",
        "| what | measured | demanded | |",
        "|---|---|---|---|",
        *(
            f"| {f.what} | {f.value} | {f.limit} | {('met' if f.met else '**missed**') if f.limit else ''} |"
            for f in figures
        ),
    ]
    return "\n".join(lines) + "\n"


def processor() -> str:
    """The processor's name."""
    for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def memory_gib() -> float:
    """Memory of the machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


if __name__ == "__main__":
    main()
