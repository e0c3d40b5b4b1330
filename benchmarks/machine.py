"""The machine a measurement ran on, and the little that measurements need of an operating system."""

from __future__ import annotations

import datetime as dt
import http.client
import os
import platform
import socket
import subprocess
import threading
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

LIBRARIES = ("torch", "transformers", "onnxruntime", "tokenizers", "mlflow", "fastapi", "uvicorn", "numpy")
_SGEMM_SIDE = 768
_SGEMM_ROUNDS = 12


def described(command: str) -> list[str]:
    """Date, machine, versions and command, as lines of a list."""
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in LIBRARIES)
    return [
        f"- date: {dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M} UTC",
        f"- machine: {processor()}, {os.cpu_count()} cores, {memory_gib():.0f} GiB memory, {platform.system()}",
        f"- Python {platform.python_version()}, {versions}",
        f"- command: `{command}`",
    ]


def processor() -> str:
    """The processor's name."""
    for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def memory_gib() -> float:
    """Memory of the machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def sgemm_peak_flops(threads: int) -> float:
    """Most single-precision operations a second of a matrix product, the best of some rounds.

    One product a thread, each computed by one thread: call it with OPENBLAS_NUM_THREADS=1 in the environment.
    """
    factor = np.random.default_rng(0).random((_SGEMM_SIDE, _SGEMM_SIDE), np.float32)
    outs = [np.empty_like(factor) for _ in range(threads)]
    best_s = float("inf")
    for _ in range(_SGEMM_ROUNDS):
        workers = [threading.Thread(target=_multiply, args=(factor, out)) for out in outs]
        started_s = time.perf_counter()
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        best_s = min(best_s, time.perf_counter() - started_s)
    return threads * 10 * 2.0 * _SGEMM_SIDE**3 / best_s


def _multiply(factor: Any, out: Any) -> None:
    for _ in range(10):
        np.matmul(factor, factor, out=out)


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(port: int, path: str) -> bool:
    """Whether a path says 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def await_answer(port: int, path: str, process: subprocess.Popen[Any], within_s: float = 180.0) -> float:
    """Waits until a path says 200; the process must live.

    Returns:
        Seconds it took.
    """
    started_s = time.monotonic()
    while not answers(port, path):
        if process.poll() is not None:
            raise SystemExit(f"{process.args!r} ended with code {process.returncode} instead of answering.")
        if time.monotonic() - started_s > within_s:
            raise SystemExit(f"{process.args!r} did not answer within {within_s:.0f} s.")
        time.sleep(0.01)
    return time.monotonic() - started_s


def run(command: list[str], **options: Any) -> str:
    """Runs a command, its own words on standard error; stops the measurement if it fails."""
    printed: str = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, **options).stdout
    return printed
