"""The rounds: every contestant in turn, the same loads, so that whatever the machine does, it does to all."""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from benchmarks import in_process
from benchmarks.contestants import OURS, OURS_INT8, Contestant, contestants, serving
from benchmarks.material import Material, expected_answers
from seatrial.bundle import Bundle
from seatrial.loadgen.apart import run_apart
from seatrial.loadgen.plan import Bounds, Closed, Load, Mix, Open, Target
from seatrial.loadgen.results import LoadResult
from seatrial.loadgen.usage import Memory, memory

OPEN_RATIO = 0.7
SWEEP_CLIENTS = (1, 2, 4, 8, 16, 32, 64)
SWEEP_LOADS = (0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
_LEAST_OPEN_S = 15.0
"""Shortest window of an open loop: a p99 is made by a hundredth of its requests, and they come in bursts. Of 3 s at
200 requests a second that is 6 requests, all from one burst; windows of 15 s have several."""
_TOLERANCE = 1e-3
"""Of a probability. References and ours compute in different orders; a mixed-up text is off by far more."""


@dataclass(frozen=True)
class Plan:
    """How thoroughly to measure.

    Attributes:
        rounds: medians are taken over them.
        least_open_s: shortest window of an open loop.
        sweep: whether ours is also measured over clients and loads.
        own_environments: whether each reference gets an environment of its own.
    """

    rounds: int = 3
    window_s: float = 8.0
    warm_up_s: float = 1.5
    least_open_s: float = _LEAST_OPEN_S
    sweep: bool = True
    own_environments: bool = True


@dataclass
class Measured:
    """Everything that was measured.

    Attributes:
        results: of each contestant and scenario, one a round.
        engine: of each artifact of ours, what `benchmarks.in_process` prints, one a round.
        outside_us: CPU a request outside engine and tokenizer, one a round.
        memory: of ours when nothing was asked yet, and after the load.
    """

    labels: dict[str, str] = field(default_factory=dict)
    results: dict[tuple[str, str], list[LoadResult]] = field(default_factory=lambda: defaultdict(list))
    engine: dict[str, list[dict[str, float]]] = field(default_factory=lambda: defaultdict(list))
    outside_us: list[float] = field(default_factory=list)
    memory: dict[str, Memory] = field(default_factory=dict)

    def median(self, name: str, scenario: str, figure: Callable[[LoadResult], float | None]) -> float | None:
        """Median over the rounds of a figure; None where it was not measured."""
        return _median([figure(result) for result in self.results.get((name, scenario), [])])

    def engine_median(self, name: str, figure: str) -> float | None:
        """Median over the rounds of what the engine does in process."""
        return _median([figures[figure] for figures in self.engine.get(name, [])])

    def outside_median(self) -> float | None:
        """Median over the rounds of the CPU a request outside engine and tokenizer."""
        return _median(self.outside_us)


def measure(material: Material, plan: Plan) -> Measured:
    """Starts all servers, which wait idle for their turns, and plays the rounds."""
    return _Rounds(material, plan).played()


class _Rounds:
    def __init__(self, material: Material, plan: Plan) -> None:
        self._material = material
        self._plan = plan
        self._measured = Measured()
        fp32 = Bundle.open(material.artifacts["onnx-fp32"])
        answers = expected_answers(fp32, material.texts)
        self._expected = {"": answers, str(fp32.manifest.version): answers}

    def played(self) -> Measured:
        with contextlib.ExitStack() as stack:
            running: list[tuple[Contestant, Target]] = []
            for contestant in contestants(self._material, own_environments=self._plan.own_environments):
                say(f"starting {contestant.label}")
                running.append((contestant, stack.enter_context(serving(contestant))))
                self._measured.labels[contestant.name] = contestant.label
            ours = {contestant.name: target for contestant, target in running if contestant.name.startswith(OURS)}
            self._remember_memory("at rest", ours[OURS])
            for number in range(self._plan.rounds):
                self._play(number, running)
            self._remember_memory("after load", ours[OURS])
            if self._plan.sweep:
                self._sweep(ours[OURS])
        return self._measured

    def _play(self, number: int, running: Sequence[tuple[Contestant, Target]]) -> None:
        for scenario in ("c1", "c8", "c32", "4x32"):
            for contestant, target in running:
                if scenario in contestant.scenarios:
                    self._measure(number, contestant, target, scenario)
        for contestant, target in running:
            if contestant.name.startswith(OURS):
                self._measure(number, contestant, target, "open")
        for name, artifact in ((OURS, "onnx-fp32"), (OURS_INT8, "onnx-int8")):
            say(f"round {number + 1}: {artifact} in process")
            bundle = self._material.artifacts[artifact]
            material = self._material
            figures = in_process.measured(bundle, material.source, material.texts, max(2.0, self._plan.window_s / 2))
            self._measured.engine[name].append(figures)
        say(f"round {number + 1}: CPU outside engine and tokenizer")
        self._measured.outside_us.append(self._outside_us())

    def _measure(self, number: int, contestant: Contestant, target: Target, scenario: str) -> None:
        mix = Mix(
            self._material.texts,
            sizes=(32,) if scenario == "4x32" else (1,),
            seed=number,
            expected=self._expected if contestant.checked else {},
            tolerance=_TOLERANCE,
        )
        result = run_apart(self._load(contestant.name, scenario, target, mix))
        if result.wrong or set(result.total.outcomes) != {"200"}:
            raise SystemExit(f"{contestant.label}: {result.total.outcomes}, {result.wrong_examples[:2]}")
        self._measured.results[contestant.name, scenario].append(result)
        say(
            f"round {number + 1}: {contestant.name} {scenario}: {result.texts_per_s:.1f} texts/s, "
            f"p50 {result.answered.p50_ms:.1f} ms, client {result.client_cpu_ratio:.2f} cores"
        )

    def _load(self, name: str, scenario: str, target: Target, mix: Mix) -> Load:
        if scenario != "open":
            clients = 4 if scenario == "4x32" else int(scenario[1:])
            bounds = Bounds(self._plan.warm_up_s, self._plan.window_s)
            return Load(target, mix, closed=Closed(clients), bounds=bounds)
        full = self._measured.median(name, "c32", lambda result: result.texts_per_s)
        assert full is not None
        return Load(target, mix, open=Open(OPEN_RATIO * full), bounds=self._open_bounds())

    def _open_bounds(self) -> Bounds:
        return Bounds(self._plan.warm_up_s, max(self._plan.window_s, self._plan.least_open_s))

    def _sweep(self, target: Target) -> None:
        mix = Mix(self._material.texts, expected=self._expected, tolerance=_TOLERANCE)
        bounds = Bounds(self._plan.warm_up_s, self._plan.window_s)
        for clients in SWEEP_CLIENTS:
            result = run_apart(Load(target, mix, closed=Closed(clients), bounds=bounds))
            self._measured.results[OURS, f"clients {clients}"].append(result)
            say(f"sweep: {clients} clients: {result.texts_per_s:.1f} texts/s, p99 {result.answered.p99_ms:.1f} ms")
        full = self._measured.median(OURS, "clients 32", lambda result: result.texts_per_s)
        assert full is not None
        for ratio in SWEEP_LOADS:
            result = run_apart(Load(target, mix, open=Open(ratio * full), bounds=self._open_bounds()))
            self._measured.results[OURS, f"load {ratio}"].append(result)
            say(f"sweep: load {ratio:.2f}: p50 {result.answered.p50_ms:.1f}, p99 {result.answered.p99_ms:.1f} ms")

    def _outside_us(self) -> float:
        """CPU of the whole process less engine and tokenizer, a request of one text, 32 clients."""
        with _instrumented(self._material) as (target, process):
            mix = Mix(self._material.texts)
            run_apart(Load(target, mix, closed=Closed(32), bounds=Bounds(0.0, self._plan.warm_up_s)))
            before = _spent(process)
            result = run_apart(Load(target, mix, closed=Closed(32), bounds=Bounds(0.0, self._plan.window_s)))
            after = _spent(process)
        outside_s = {moment: s["process_s"] - s["engine_s"] - s["tokenizer_s"] for moment, s in
                     (("before", before), ("after", after))}  # fmt: skip
        return 1e6 * (outside_s["after"] - outside_s["before"]) / result.total.requests

    def _remember_memory(self, moment: str, target: Target) -> None:
        assert target.pid is not None
        found = memory(target.pid)
        if found is not None:
            self._measured.memory[moment] = found


@contextlib.contextmanager
def _instrumented(material: Material) -> Iterator[tuple[Target, subprocess.Popen[str]]]:
    """`seatrial serve` with the clocks of `benchmarks.instrumented`."""
    from benchmarks.machine import await_answer, free_port

    port = free_port()
    command = [sys.executable, "-m", "benchmarks.instrumented", "serve"]
    command += ["--bundle", str(material.artifacts["onnx-fp32"]), "--port", str(port)]
    command += ["--internal-port", "0", "--grpc-port", "0"]
    with (
        tempfile.TemporaryDirectory(prefix="seatrial-bench-") as home,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            env={**os.environ, "SEATRIAL_HOME": home},
        ) as process,
    ):  # fmt: skip
        try:
            await_answer(port, "/ready", process)
            yield Target("127.0.0.1", port), process
        finally:
            process.terminate()


def _spent(process: subprocess.Popen[str]) -> dict[str, float]:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    while not (line := process.stdout.readline()).startswith("{"):  # what `seatrial serve` says for people
        if not line:
            raise SystemExit("The instrumented server ended.")
    spent: dict[str, float] = json.loads(line)
    return spent


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def say(line: str) -> None:
    """Tells whoever waits how far it is."""
    print(line, file=sys.stderr, flush=True)
