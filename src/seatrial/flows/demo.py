"""The demonstration: the project's main job from nothing to a served, proven model."""

from __future__ import annotations

import contextlib
import http.client
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from seatrial.bundle import Bundle
from seatrial.domain.errors import InferenceError
from seatrial.domain.evidence import Finding, Verdict
from seatrial.domain.model import Alias, VersionRef
from seatrial.domain.progress import Progress
from seatrial.domain.release import Phase
from seatrial.flows import catalogue, record
from seatrial.flows.demo_release import Played, damaged_copy, play, releases_of
from seatrial.flows.deploy import Converted
from seatrial.flows.develop import Developed, prepared
from seatrial.flows.project import Project
from seatrial.flows.serve import Server, port_fault
from seatrial.flows.template import write_project
from seatrial.wiring.workshop import Workshop

__all__ = ["QUICK", "Summary", "build", "measure", "release_all", "server_of"]

_ALWAYS: Mapping[str, Any] = {
    "release.preset": "demo",
    "release.bake_s": 10.0,
    "release.latency_tolerance_rungs": 7,
}
"""Nobody waits an hour for a demonstration, and it shares its machine: up to twice as slow is no harm here."""
_HALF_WAY_RATIO = 0.5
_QUICK_HALF_WAY_RATIO = 0.85
"""Of so little training the half leaves a model that leans to one label, and the class mix tells the two apart."""
_CONTROL_INTERVAL_S = "1"

QUICK: Mapping[str, Any] = {
    "data.fraction": 0.15,
    "training.epochs": 1.5,
    "evaluation.accuracy_floor": 0.6,
    "evaluation.f1_floor": 0.5,
    "evaluation.slice_floor": 0.5,
}
"""What `--quick` changes: fewer rows, seen more often, and floors such a model can reach. The gates themselves stay."""

_REQUESTS = 100


@dataclass(slots=True)
class Summary:
    """What the demonstration shows at its end; the second half is filled in by `measure`.

    Attributes:
        production: the version in production, None where there is none.
        texts: held-out texts to ask about.
        seconds: how long everything up to serving took.
        releases: how versions took the place of others, or did not.
        ready_s: how long the data plane took to be ready.
    """

    project: Project
    developed: Developed
    converted: Converted
    production: int | None
    texts: tuple[str, ...]
    seconds: float
    url: str = ""
    ready_s: float = 0.0
    latencies_ms: list[float] = field(default_factory=list)
    releases: list[Played] = field(default_factory=list)

    @property
    def ref(self) -> str:
        """The version that was made."""
        return self.developed.version.ref

    @property
    def served(self) -> str:
        """What is served."""
        return f"{self.developed.version.name}@{Alias.PRODUCTION}"

    @property
    def in_production(self) -> bool:
        """Whether the version that was made is the one in production."""
        return self.production == self.developed.version.version

    @property
    def passed(self) -> bool:
        """Whether every finding passes, the version is in production, and no release is open any more."""
        proven = self.developed.passed and self.converted.passed and self.in_production
        return proven and all(one.phase.over for one in self.releases)

    @property
    def decision(self) -> str:
        """What became of the version, in words."""
        return "in production" if self.in_production else "not released, its findings do not all pass"

    @property
    def against(self) -> list[Finding]:
        """The findings that do not pass."""
        findings = (*self.developed.findings, *self.converted.findings)
        return [finding for finding in findings if finding.verdict is not Verdict.PASS]

    @property
    def curl(self) -> str:
        """A line to try."""
        body = '{"texts": ["A lovely little film.", "Broke after two days."]}'
        return f"curl -s {self.url}/predict -H 'content-type: application/json' -d '{body}'"

    def rows(self) -> list[tuple[str, str]]:
        """What people read."""
        settings = self.project.settings
        rows = [
            ("model", f"{self.ref}: {self.decision}"),
            ("accuracy", _accuracy_line(self.developed.metrics, settings.evaluation.confidence)),
            *((bundle.manifest.artifact.name, _artifact_line(bundle)) for bundle in self.converted.bundles),
        ]
        if self.latencies_ms:
            latency = f"median {self.latency_ms(0.5):.1f} ms, 95th percentile {self.latency_ms(0.95):.1f} ms"
            rows += [
                ("served", f"{self.served} at {self.url}, ready in {self.ready_s:.1f} s"),
                ("latency", f"one text, one client: {latency} over {len(self.latencies_ms)} requests"),
            ]
        rows += [(f"release {number}", one.sentence) for number, one in enumerate(self.releases, 1)]
        if self.releases:
            name, directory = self.developed.version.name, settings.project_dir
            rows.append(("record", f"seatrial models history {name} --project {directory}"))
        return [
            *rows,
            ("report", str(self.developed.report)),
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
            "metrics": dict(self.developed.metrics),
            "findings": [finding.to_json() for finding in self.developed.findings],
            "artifacts": {bundle.manifest.artifact.name: _artifact_facts(bundle) for bundle in self.converted.bundles},
            "served": self.served if self.url else None,
            "url": self.url,
            "ready_s": round(self.ready_s, 3),
            "latency_ms": {
                "p50": self.latency_ms(0.5),
                "p95": self.latency_ms(0.95),
                "requests": len(self.latencies_ms),
            },
            "releases": [one.to_json() for one in self.releases],
            "report": str(self.developed.report),
            "project": str(self.project.settings.project_dir),
            "seconds": round(self.seconds, 1),
        }


def build(directory: Path, *, quick: bool, progress: Progress) -> Summary:
    """Everything up to serving: prepare > train > evaluate > register > convert > parity > first release.

    Version 1 is the training half way, and is in production by a first release; version 2 is the same training at its
    end. A demonstration that was ended goes on where it was.
    """
    started = time.monotonic()
    write_project(directory)
    overrides = {**_ALWAYS, **(QUICK if quick else {})}
    stop_at_ratio = _QUICK_HALF_WAY_RATIO if quick else _HALF_WAY_RATIO
    with Project(directory, overrides={**overrides, "training.stop_at_ratio": stop_at_ratio}) as half_way:
        if half_way.workshop.store.aliases(half_way.settings.model.name).get(Alias.PRODUCTION) is None:
            half_way.convert(half_way.train(progress=progress).version.ref, progress=progress)
    with Project(directory, overrides=overrides) as project:
        developed = _released(project.workshop) or project.train(progress=progress)
        converted = project.convert(developed.version.ref, progress=progress)
        return Summary(
            project=project,
            developed=developed,
            converted=converted,
            production=project.workshop.store.aliases(developed.version.name).get(Alias.PRODUCTION),
            texts=prepared(project.workshop, progress).test.texts[:_REQUESTS],
            seconds=time.monotonic() - started,
        )


def server_of(summary: Summary) -> Server:
    """Serves what is in production, its control plane beside it; on the configured ports or, where taken, free ones."""
    settings = summary.project.settings
    ports = {
        f"serving.{name}": (settings.serving.host, getattr(settings.serving, name))
        for name in ("port", "grpc_port", "internal_port")
    }
    ports["control.port"] = (settings.control.host, settings.control.port)
    environment = {"SEATRIAL_CONTROL__INTERVAL_S": _CONTROL_INTERVAL_S}
    for name, (host, port) in ports.items():
        variable = f"SEATRIAL_{name.upper().replace('.', '__')}"
        environment[variable] = "0" if port_fault(host, port) else str(port)
    return Server([str(settings.project_dir)], environment, command="up")


def release_all(summary: Summary, server: Server, progress: Progress) -> None:
    """The second act: the finished training replaces the half-way one; a damaged copy of it comes and is sent back.

    What was released before is not released again.
    """
    overrides = {**summary.project.overrides, "control.data_plane_url": server.internal_url}
    with Project(summary.project.settings.project_dir, overrides=overrides) as project:
        workshop, version = project.workshop, summary.developed.version
        proven = summary.developed.passed and summary.converted.passed
        if proven and summary.production not in (None, version.version):
            texts = prepared(workshop, progress).train.texts
            play(project, VersionRef(version.name, version.version), texts, server.url, progress)
        _release_damaged(summary, project, server, progress)
        summary.releases = releases_of(workshop, version.name)
        summary.production = workshop.store.aliases(version.name).get(Alias.PRODUCTION)


def _release_damaged(summary: Summary, project: Project, server: Server, progress: Progress) -> None:
    """Releases the version that has just been released once more, damaged in a way that no held-out text shows."""
    workshop, version = project.workshop, summary.developed.version
    before = releases_of(workshop, version.name)
    released = any(one.challenger == version.version and one.phase is Phase.DONE for one in before)
    if not released or any(one.champion == version.version and one.phase.over for one in before):
        return
    directory, dataset = workshop.settings.cache_dir / "demo" / "damaged", prepared(workshop, progress)
    with progress.step("damage a copy: rare words lose their vectors"):
        damaged_copy(record.source_of(workshop, version), dataset, directory)
    damaged = project.register(str(directory), labels=version.signature.labels, progress=progress)
    if not (damaged.passed and project.convert(damaged.version.ref, ("onnx-fp32",), progress=progress).passed):
        return  # a gate has seen it before any customer did
    play(project, VersionRef(version.name, damaged.version.version), dataset.train.texts, server.url, progress)


def _released(workshop: Workshop) -> Developed | None:
    """What is on record of the version that a release brought into production; None where none did."""
    name = workshop.settings.model.name
    done = [one.challenger for one in releases_of(workshop, name) if one.phase is Phase.DONE]
    number = workshop.store.aliases(name).get(Alias.PRODUCTION)
    if number is None or number not in done:
        return None
    metrics = catalogue.show(workshop, VersionRef(name, number))["lineage"]["metrics"]
    findings = tuple(one for one in workshop.store.findings(name, number) if one.check.startswith("evaluation."))
    version = workshop.registry.get_version(name, number)
    return Developed(version, findings, workshop.report_of(version), metrics)


def measure(summary: Summary, server: Server) -> None:
    """One client, one text a request: what a person with curl feels.

    Raises:
        InferenceError: a text got no prediction.
    """
    summary.url, summary.ready_s = server.url, server.ready_s
    address = urlsplit(server.url)
    with contextlib.closing(http.client.HTTPConnection(str(address.hostname), address.port, timeout=30)) as connection:
        for text in summary.texts:
            started = time.perf_counter()
            connection.request("POST", "/predict", json.dumps({"texts": [text]}), {"Content-Type": "application/json"})
            response = connection.getresponse()
            response.read()
            summary.latencies_ms.append((time.perf_counter() - started) * 1000)
            if response.status != http.client.OK:
                raise InferenceError(f"The served model answers {response.status}: its log above says why.")


def _accuracy_line(metrics: Mapping[str, float], confidence: float) -> str:
    if not metrics:
        return "could not be measured: see the report"
    baseline = f"; TF-IDF baseline {metrics['baseline_accuracy']:.3f}" if "baseline_accuracy" in metrics else ""
    return (
        f"{metrics['accuracy']:.3f} on {metrics['rows']:.0f} held-out texts "
        f"({confidence:.0%} interval {metrics['accuracy_low']:.3f} to {metrics['accuracy_high']:.3f}{baseline})"
    )


def _artifact_line(bundle: Bundle) -> str:
    manifest = bundle.manifest
    found = {finding.check: finding for finding in manifest.findings}
    words = [f"{manifest.size_bytes / 1e6:.1f} MB"]
    flips = found.get("conversion.flip_rate")
    if flips is not None and flips.value is not None:
        words.append(f"at most {flips.value:.2%} of labels differ from the original")
    words.append("proven, may be served" if manifest.servable else "kept for inspection, never served")
    return ", ".join(words)


def _artifact_facts(bundle: Bundle) -> dict[str, Any]:
    return {
        "directory": str(bundle.directory),
        "size_bytes": bundle.manifest.size_bytes,
        "servable": bundle.manifest.servable,
        "findings": [finding.to_json() for finding in bundle.manifest.findings],
    }
