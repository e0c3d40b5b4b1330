"""The demonstration: the project's main job from nothing to a served, proven model."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from seatrial.bundle import Bundle
from seatrial.domain.errors import NotReadyError
from seatrial.domain.model import Alias
from seatrial.domain.progress import Progress
from seatrial.flows.develop import prepared
from seatrial.flows.project import Project
from seatrial.flows.template import write_project

__all__ = ["QUICK", "Server", "Summary", "build", "measure", "start_server"]

QUICK: Mapping[str, Any] = {
    "data.fraction": 0.15,
    "evaluation.accuracy_floor": 0.6,
    "evaluation.f1_floor": 0.5,
    "evaluation.slice_floor": 0.5,
}
"""What `--quick` changes: fewer training rows, and floors such a model can reach. The gates themselves stay."""

_READY_WITHIN_S = 60.0
_REQUESTS = 100


@dataclass(slots=True)
class Summary:
    """What the demonstration shows at its end; filled in as it goes."""

    project: Project
    ref: str
    metrics: Mapping[str, float]
    bundles: tuple[Bundle, ...]
    report: Path
    decision: str
    texts: tuple[str, ...]
    passed: bool
    seconds: float
    served: str = ""
    url: str = ""
    ready_s: float = 0.0
    latencies_ms: list[float] = field(default_factory=list)

    @property
    def curl(self) -> str:
        """A line to try."""
        body = '{"texts": ["A lovely little film.", "Broke after two days."]}'
        return f"curl -s {self.url}/predict -H 'content-type: application/json' -d '{body}'"

    def rows(self) -> list[tuple[str, str]]:
        """What people read."""
        settings = self.project.settings
        metrics = self.metrics
        held_out = (
            f"{metrics['accuracy']:.3f} on {metrics['rows']:.0f} held-out texts "
            f"(95 % interval {metrics['accuracy_low']:.3f} to {metrics['accuracy_high']:.3f}"
        )
        latency = f"median {self.latency_ms(0.5):.1f} ms, 95th percentile {self.latency_ms(0.95):.1f} ms"
        baseline = f"; TF-IDF baseline {metrics['baseline_accuracy']:.3f}" if "baseline_accuracy" in metrics else ""
        return [
            ("model", f"{self.ref}: {self.decision}"),
            ("accuracy", f"{held_out}{baseline})"),
            *((bundle.manifest.artifact.name, _artifact_line(bundle)) for bundle in self.bundles),
            ("served", f"{self.served} at {self.url}, ready in {self.ready_s:.1f} s"),
            ("latency", f"one text, one client: {latency} over {len(self.latencies_ms)} requests"),
            ("report", str(self.report)),
            ("project", f"{settings.project_dir} (registry, ledger and bundles in {settings.home})"),
            ("took", f"{self.seconds:.0f} s up to serving"),
        ]

    def latency_ms(self, share: float) -> float:
        """The quantile of the measured latencies, an order statistic; 0 before they are measured."""
        ordered = sorted(self.latencies_ms)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0

    def to_json(self) -> dict[str, Any]:
        """What programs read."""
        return {
            "ref": self.ref,
            "passed": self.passed,
            "decision": self.decision,
            "metrics": dict(self.metrics),
            "artifacts": {
                bundle.manifest.artifact.name: {
                    "directory": str(bundle.directory),
                    "size_bytes": bundle.manifest.size_bytes,
                    "servable": bundle.manifest.servable,
                    "findings": [finding.to_json() for finding in bundle.manifest.findings],
                }
                for bundle in self.bundles
            },
            "served": self.served,
            "url": self.url,
            "ready_s": round(self.ready_s, 3),
            "latency_ms": {
                "p50": self.latency_ms(0.5),
                "p95": self.latency_ms(0.95),
                "requests": len(self.latencies_ms),
            },
            "report": str(self.report),
            "project": str(self.project.settings.project_dir),
            "seconds": round(self.seconds, 1),
        }


class Server:
    """The data plane in a process of its own, ended when the block is left."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.process = process
        self.port = port

    def wait(self) -> None:
        """Until the process ends or Ctrl-C."""
        try:
            self.process.wait()
        except KeyboardInterrupt:
            return

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.terminate()
        try:
            self.process.wait(timeout=30)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            self.process.kill()
            self.process.wait()


def build(directory: Path, *, quick: bool, progress: Progress) -> Summary:
    """Everything up to serving: prepare > train > evaluate > register > convert > parity > first release."""
    started = time.monotonic()
    write_project(directory)
    project = Project(directory, overrides=QUICK if quick else {})
    with project:
        developed = project.train(progress=progress)
        converted = project.convert(developed.version.ref, progress=progress)
        production = project.workshop.store.aliases(developed.version.name).get(Alias.PRODUCTION)
        texts = prepared(project.workshop, progress).test.texts[:_REQUESTS]
    in_production = production == developed.version.version
    return Summary(
        project=project,
        ref=developed.version.ref,
        metrics=developed.metrics,
        bundles=converted.bundles,
        report=developed.report,
        decision="in production" if in_production else "not released, its findings do not all pass",
        texts=texts,
        passed=developed.passed and converted.passed and in_production,
        seconds=time.monotonic() - started,
    )


def start_server(summary: Summary) -> Server:
    """Serves what is in production, on the configured port or, where that is taken, a free one.

    Raises:
        NotReadyError: the data plane did not become ready; its own words stand on standard error.
    """
    settings = summary.project.settings
    summary.served = f"{settings.model.name}@{Alias.PRODUCTION}"
    port, internal = (_free(settings.serving.host, p) for p in (settings.serving.port, settings.serving.internal_port))
    command = [sys.executable, "-m", "seatrial.cli", "serve", summary.served, "--project", str(settings.project_dir)]
    command += ["--port", str(port), "--internal-port", str(internal)]
    started = time.monotonic()
    server = Server(subprocess.Popen(command, stdout=subprocess.DEVNULL), port)  # noqa: S603  our own command line
    summary.url = f"http://{settings.serving.host}:{port}"
    while not _ready(settings.serving.host, port):
        if server.process.poll() is not None or time.monotonic() - started > _READY_WITHIN_S:
            server.__exit__(None, None, None)
            raise NotReadyError(
                f"{summary.served} could not be served: run seatrial serve {summary.served} to see why."
            )
        time.sleep(0.02)
    summary.ready_s = time.monotonic() - started
    return server


def measure(summary: Summary, server: Server) -> None:
    """One client, one text a request: what a person with curl feels."""
    connection = http.client.HTTPConnection(summary.project.settings.serving.host, server.port, timeout=30)
    for text in summary.texts:
        started = time.perf_counter()
        connection.request("POST", "/predict", json.dumps({"texts": [text]}), {"Content-Type": "application/json"})
        response = connection.getresponse()
        response.read()
        summary.latencies_ms.append((time.perf_counter() - started) * 1000)
        if response.status != http.client.OK:
            raise NotReadyError(f"The served model answers {response.status}: see the log above.")
    connection.close()


def _artifact_line(bundle: Bundle) -> str:
    manifest = bundle.manifest
    found = {finding.check: finding for finding in manifest.findings}
    words = [f"{manifest.size_bytes / 1e6:.1f} MB"]
    flips = found.get("conversion.flip_rate")
    if flips is not None and flips.value is not None:
        words.append(f"at most {flips.value:.2%} of labels differ from the original")
    words.append("proven, may be served" if manifest.servable else "kept for inspection, never served")
    return ", ".join(words)


def _ready(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=5)
    try:
        connection.request("GET", "/ready")
        return connection.getresponse().status == http.client.OK
    except OSError:
        return False
    finally:
        connection.close()


def _free(host: str, port: int) -> int:
    """The port if it is free, else any that is."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            probe.bind((host, 0))
        return int(probe.getsockname()[1])
