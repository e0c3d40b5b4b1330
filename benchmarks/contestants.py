"""The servers that are compared: what each is, how it is started, and when it is ready."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.environments import python_of
from benchmarks.machine import await_answer, free_port
from benchmarks.material import Material
from seatrial.loadgen.plan import Target

_REFERENCES = Path(__file__).parent / "references"
_END_WITHIN_S = 30
OURS, OURS_INT8 = "seatrial", "seatrial-int8"


@dataclass(frozen=True)
class Contestant:
    """A server to measure.

    Attributes:
        command: of a server that is to listen on a port.
        text_field: of the JSON body that holds the texts.
        checked: whether its answers are compared with those of the fp32 model.
        scenarios: loads it is measured under; see `benchmarks.rounds`.
    """

    name: str
    label: str
    command: Callable[[int], list[str]]
    ready: str = "/health"
    path: str = "/predict"
    text_field: str = "texts"
    checked: bool = True
    scenarios: tuple[str, ...] = ("c1", "c8", "c32", "4x32")
    environment: Mapping[str, str] = field(default_factory=dict)


def contestants(material: Material, *, own_environments: bool) -> list[Contestant]:
    """All of them, in the order they take turns.

    Args:
        own_environments: install each reference apart; else all run with this interpreter's packages.
    """

    def python(name: str) -> str:
        return python_of(name) if own_environments else sys.executable

    plain, plain_export = python("plain"), material.plain_export()
    script, mlflow_model = str(_REFERENCES / "plain_onnx.py"), material.mlflow_model(python("mlflow"))
    textbook = [python("textbook"), str(_REFERENCES / "textbook.py"), str(material.source)]
    mlflow = [python("mlflow"), "-m", "mlflow", "models", "serve", "-m", str(mlflow_model)]
    found = [
        Contestant("textbook", "textbook: FastAPI, torch eager, batch = request", lambda port: [*textbook, str(port)]),
        Contestant(
            "plain",
            "plain FastAPI + ONNX Runtime, thread pool, unbatched",
            lambda port: [plain, script, str(plain_export), str(port), "1"],
        ),
        Contestant(
            "plain-2",
            "the same with two threads a call",
            lambda port: [plain, script, str(plain_export), str(port), "2"],
            scenarios=("c1",),
        ),
        Contestant(
            "mlflow",
            "mlflow models serve",
            lambda port: [*mlflow, "-h", "127.0.0.1", "-p", str(port), "--env-manager", "local"],
            ready="/ping",
            path="/invocations",
            text_field="inputs",
            checked=False,  # it answers in a form of its own
            environment={"PATH": f"{Path(python('mlflow')).parent}{os.pathsep}{os.environ['PATH']}"},
        ),
    ]
    return [*found, ours(OURS, material.artifacts["onnx-fp32"]), ours(OURS_INT8, material.artifacts["onnx-int8"])]


def ours(name: str, bundle: Path) -> Contestant:
    """`seatrial serve` with the settings it comes with."""
    # -P: no module of the working directory may stand in the place of an installed one.
    command = [sys.executable, "-P", "-m", "seatrial.cli", "serve", "--bundle", str(bundle)]
    command += ["--internal-port", "0", "--grpc-port", "0"]
    return Contestant(
        name,
        "seatrial serve, int8" if name == OURS_INT8 else "seatrial serve, fp32",
        lambda port: [*command, "--port", str(port)],
        ready="/ready",
        checked=name == OURS,
    )


@contextlib.contextmanager
def serving(contestant: Contestant) -> Iterator[Target]:
    """Runs a contestant until the block is left; it answers when the block begins. Its state is thrown away."""
    with tempfile.TemporaryDirectory(prefix="seatrial-bench-") as home:
        yield from _serving(contestant, {**os.environ, "SEATRIAL_HOME": home, **contestant.environment})


def _serving(contestant: Contestant, environment: Mapping[str, str]) -> Iterator[Target]:
    port = free_port()
    process = subprocess.Popen(
        contestant.command(port),
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=None if os.environ.get("BENCH_VERBOSE") else subprocess.DEVNULL,
        start_new_session=True,  # some start children of their own, which must end with them
    )
    try:
        await_answer(port, contestant.ready, process)
        yield Target("127.0.0.1", port, contestant.path, contestant.text_field, process.pid)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(_END_WITHIN_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
