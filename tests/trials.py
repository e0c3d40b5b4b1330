"""What deployment tests are about, for tests: subjects, results of loads, and versions in processes of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from seatrial.acceptance.subject import Limits, Rows, Subject, choose_rows
from seatrial.config import AcceptanceSettings
from seatrial.flows.serve import Server
from seatrial.loadgen.results import Latencies, LoadResult, Tally
from tests.builders import LABELS, random_texts

REF = "tiny@1/onnx-fp32"
ROOT = Path(__file__).parents[1]
SHORT = AcceptanceSettings(
    rate_per_s=200.0, window_s=0.6, clients=4, curve_clients=(1, 2), curve_window_s=0.4, memory_requests=400,
    golden_rows=16, overload_s=1.0,
)  # fmt: skip
LIMITS = Limits(max_texts=64, max_queue_texts=64, max_length=64, end_within_s=20.0)


def rows(count: int = 40, certainty: float = 0.9) -> Rows:
    """Texts whose label shows in their words, as sure as that."""
    texts, labels = random_texts(count, seed=5)
    shares = np.array([(1 - certainty, certainty) if label else (certainty, 1 - certainty) for label in labels])
    return choose_rows(texts, shares, LABELS, count=count, longest_chars=10_000)


def subject(**changes: Any) -> Subject:
    """An fp32 version whose rows are `rows`, unless `changes` say otherwise."""
    made = Subject(
        ref=REF, model="tiny", version="1", labels=LABELS, rows=rows(), limits=LIMITS, max_length=64,
        probability_limit=1e-4, flip_rate_limit=0.02, confidence=0.95,
    )  # fmt: skip
    return replace(made, **changes)


def load_result(outcomes: Mapping[str, int], latency_ms: float = 10.0, **changes: Any) -> LoadResult:
    """A load of one second whose requests ended so, each after the same time."""
    latencies = {ended: Latencies.of([latency_ms / 1000] * count) for ended, count in outcomes.items()}
    tally = Tally(sum(outcomes.values()), outcomes.get("200", 0), dict(outcomes), latencies)
    made = LoadResult(
        window_s=1.0, window=tally, total=tally, wrong=0, wrong_examples=(), unanswered_sent_s=(), last_sent_s=100.0,
        lateness=Latencies.of([0.0]), client_cpu_ratio=0.1, server_cpu_s=0.5,
    )  # fmt: skip
    return replace(made, **changes)


@dataclass
class AtAddress:
    """Something that answers at an address, taken for a version."""

    url: str
    internal_url: str
    grpc: str = ""
    pid: int = 0
    ready_s: float = 1.0

    def terminate(self) -> None:
        """Nothing that could end."""

    def exit_code(self, within_s: float) -> int | None:
        return 0


def own_code(project: Path, name: str, **settings: object) -> Server:
    """`seatrial serve` with a class of tests/own_code.py as its handler."""
    project.mkdir(exist_ok=True)
    chosen = {"handler": f"tests.own_code:{name}", "journal": "off", "sessions": 2, **settings}
    environment = {f"SEATRIAL_SERVING__{key.upper()}": str(value) for key, value in chosen.items()}
    environment |= {"SEATRIAL_MODEL__NAME": "tiny", "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "LOG_LEVEL": "error"}
    ports = [word for name in ("port", "internal-port", "grpc-port") for word in (f"--{name}", "0")]
    return Server([*ports, "--project", str(project)], environment)
