"""The demonstration's summary and measurements; the whole of it runs in tests/system."""

from __future__ import annotations

import json
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from seatrial.domain.errors import InferenceError
from seatrial.domain.evidence import Verdict
from seatrial.domain.model import Alias, VersionRef
from seatrial.domain.progress import SILENT
from seatrial.flows import demo
from seatrial.flows.demo import Summary
from seatrial.flows.deploy import convert
from seatrial.flows.develop import develop
from seatrial.flows.project import Project
from seatrial.flows.serve import Server
from tests.builders import onnx_bundle
from tests.handmade import MODEL, write_project
from tests.houses import evaluation, open_workshop


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Summary:
    """The summary of a small project, before it is served."""
    workshop = open_workshop(write_project(tmp_path_factory.mktemp("demo")))
    developed = develop(workshop, SILENT)
    converted = convert(workshop, VersionRef.parse(developed.version.ref), (), SILENT)
    production = workshop.store.aliases(MODEL).get(Alias.PRODUCTION)
    workshop.close()
    return Summary(
        project=Project(workshop.settings.project_dir),
        developed=developed,
        converted=converted,
        production=production,
        texts=("a good film", "a dull plot", "a very lovely story"),
        seconds=61.26,
    )


@pytest.fixture
def summary(made: Summary) -> Summary:
    return replace(made, latencies_ms=[])


def test_a_good_run_is_summed_up(summary: Summary) -> None:
    assert (summary.passed, summary.decision, summary.against) == (True, "in production", [])
    rows = dict(summary.rows())
    assert rows["model"] == f"{MODEL}@1: in production"
    assert rows["accuracy"].startswith("1.000 on 160 held-out texts (95% interval 0.9")
    assert "may be served" in rows["onnx-fp32"]
    assert rows["took"] == "61 s up to serving"
    assert "served" not in rows, "it is not served yet"
    assert json.loads(json.dumps(summary.to_json()))["artifacts"]["onnx-fp32"]["servable"] is True


def test_a_run_that_fails_says_what_is_against_it(summary: Summary) -> None:
    failed = replace(
        summary,
        developed=replace(summary.developed, findings=(evaluation(summary.developed.version, Verdict.FAIL),)),
        production=None,
    )
    assert (failed.passed, failed.in_production) == (False, False)
    assert [finding.verdict for finding in failed.against] == [Verdict.FAIL]
    assert "not released" in dict(failed.rows())["model"]
    assert failed.to_json()["passed"] is False
    assert failed.to_json()["served"] is None


def test_a_run_without_figures_can_be_summed_up(summary: Summary) -> None:
    unmeasured = replace(summary, developed=replace(summary.developed, metrics={}))
    assert dict(unmeasured.rows())["accuracy"] == "could not be measured: see the report"


def test_quantiles_are_those_that_were_measured(summary: Summary) -> None:
    assert summary.latency_ms(0.5) == 0.0
    measured = replace(summary, latencies_ms=[float(n) for n in range(100, 0, -1)])
    assert (measured.latency_ms(0.5), measured.latency_ms(0.95), measured.latency_ms(1.0)) == (51.0, 96.0, 100.0)


def test_each_text_is_asked_once_of_a_real_server(summary: Summary, tmp_path: Path) -> None:
    bundle = onnx_bundle(tmp_path / "bundle")
    with Server(
        ["--bundle", str(bundle.directory), "--port", "0", "--internal-port", "0", "--grpc-port", "0"]
    ) as server:
        demo.measure(summary, server)
    assert len(summary.latencies_ms) == 3
    assert all(latency > 0 for latency in summary.latencies_ms)
    rows = dict(summary.rows())
    assert server.url in rows["served"]
    assert "over 3 requests" in rows["latency"]
    assert summary.to_json()["latency_ms"]["requests"] == 3
    assert summary.curl.startswith(f"curl -s {server.url}/predict ")


def test_a_text_without_a_prediction_ends_the_measurement(summary: Summary, tmp_path: Path) -> None:
    bundle = onnx_bundle(tmp_path / "bundle")
    refused = replace(summary, texts=("a good film", "x" * 20_000_000))
    with (
        Server(
            ["--bundle", str(bundle.directory), "--port", "0", "--internal-port", "0", "--grpc-port", "0"]
        ) as server,
        pytest.raises((InferenceError, OSError)),
    ):
        demo.measure(refused, server)


def test_a_taken_port_is_replaced_by_a_free_one(summary: Summary) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, socket.create_server(("127.0.0.1", 0)) as other:
        port, free = taken.getsockname()[1], other.getsockname()[1]
        other.close()
        serving = {"serving.port": port, "serving.internal_port": free}
        busy = replace(summary, project=Project(summary.project.settings.project_dir, overrides=serving))
        server = demo.server_of(busy)
    assert server._environment["SEATRIAL_SERVING__PORT"] == "0"
    assert server._environment["SEATRIAL_SERVING__INTERNAL_PORT"] == str(free)


def test_what_production_serves_is_served(summary: Summary) -> None:
    free = {"serving.port": 0, "serving.internal_port": 0, "serving.grpc_port": 0, "control.port": 0}
    served = replace(summary, project=Project(summary.project.settings.project_dir, overrides=free))
    with demo.server_of(served) as server:
        demo.measure(served, server)
    assert len(served.latencies_ms) == 3


def test_what_the_user_wrote_is_left_alone_by_a_second_run(tmp_path: Path) -> None:
    project = write_project(tmp_path / "demo", more="\n# mine\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Project, "train", _stop)
        for _ in range(2):
            with pytest.raises(_StoppedError):
                demo.build(project, quick=False, progress=SILENT)
    assert (project / "seatrial.toml").read_text().endswith("# mine\n")


class _StoppedError(Exception):
    pass


def _stop(*_: object, **__: object) -> None:
    raise _StoppedError
