"""Finding what to serve, and the data plane in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from seatrial.config import Settings, load_settings
from seatrial.domain.errors import (
    BundleManifestError,
    NotReadyError,
    RefusedArtifactError,
    UnknownArtifactError,
    UnknownModelError,
    UnknownVersionError,
    UsageError,
)
from seatrial.domain.evidence import Finding, Verdict
from seatrial.flows.serve import Server, bundles_of, port_fault
from seatrial.wiring.workshop import Workshop
from tests.builders import onnx_bundle
from tests.houses import MODEL, enrol, make_artifact, promote

FAILED = (Finding("conversion.test", "tiny@1/onnx-fp32", Verdict.FAIL, "Broken for a test."),)
FREE = ("--port", "0", "--internal-port", "0", "--grpc-port", "0")


@pytest.fixture
def settings(workshop: Workshop) -> Settings:
    """Of a project with version 1 in production and version 2 refused."""
    make_artifact(workshop, enrol(workshop, 1.0))
    promote(workshop, 1)
    make_artifact(workshop, enrol(workshop, 0.5), verdict=Verdict.FAIL)
    return workshop.settings


def refs_of(settings: Settings, refs: Sequence[str] = (), directories: Sequence[Path] = ()) -> list[str]:
    return [bundle.manifest.ref for bundle in bundles_of([settings], refs, directories)]


def test_without_a_reference_production_is_served(settings: Settings) -> None:
    assert refs_of(settings) == [f"{MODEL}@1/onnx-fp32"]
    assert refs_of(settings, [f"{MODEL}@production"]) == refs_of(settings, [f"{MODEL}@1"]) == refs_of(settings)


def test_directories_are_served_as_they_are_and_without_production(settings: Settings, tmp_path: Path) -> None:
    bundle = onnx_bundle(tmp_path / "bundle", model="other", version=3)
    assert refs_of(settings, [], [bundle.directory]) == ["other@3/onnx-fp32"]
    assert refs_of(settings, [MODEL], [bundle.directory]) == [f"{MODEL}@1/onnx-fp32", "other@3/onnx-fp32"]


@pytest.mark.parametrize(
    ("ref", "error"),
    [
        ("nobody", UnknownModelError),
        (f"{MODEL}@9", UnknownVersionError),
        (f"{MODEL}@staging", UnknownVersionError),
        (f"{MODEL}@2", RefusedArtifactError),
        (f"{MODEL}@latest", UsageError),
        ("no such name", UsageError),
    ],
)
def test_what_is_not_there_or_may_not_be_served_is_refused(
    settings: Settings, ref: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        bundles_of([settings], [ref], [])


def test_a_directory_that_is_no_bundle_or_may_not_be_served_is_refused(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(BundleManifestError):
        bundles_of([settings], [], [tmp_path / "nowhere"])
    with pytest.raises(RefusedArtifactError):
        bundles_of([settings], [], [onnx_bundle(tmp_path / "failed", findings=FAILED).directory])


def test_another_artifact_is_served_where_the_settings_say_so(settings: Settings) -> None:
    other = load_settings(
        settings.project_dir, environment={}, overrides={"model.name": MODEL, "serving.artifact": "onnx-int8"}
    )
    with pytest.raises(UnknownArtifactError):
        bundles_of([other], [], [])


def test_a_port_is_free_or_the_system_says_why_not() -> None:
    assert port_fault("127.0.0.1", 0) == ""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert "in use" in port_fault("127.0.0.1", taken.getsockname()[1])
    assert port_fault("no.such.host.invalid", 0)
    assert port_fault("::1", 0) in ("", "Cannot assign requested address")  # not every machine has IPv6


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return onnx_bundle(tmp_path_factory.mktemp("served") / "bundle").directory


def predictions(url: str, *texts: str) -> list[str]:
    body = json.dumps({"texts": texts}).encode()
    request = urllib.request.Request(f"{url}/predict", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as response:
        answer: dict[str, Any] = json.load(response)
    return list(answer["predictions"])


def is_running(server: Server) -> bool:
    return server._process.poll() is None


def test_a_server_answers_in_its_block_and_is_gone_after_it(bundle: Path) -> None:
    with Server(["--bundle", str(bundle), *FREE]) as server:
        assert predictions(server.url, "a good film", "a dull plot") == ["positive", "negative"]
        assert server.ready_s > 0
        assert is_running(server)
    assert server._process.returncode == 0
    with pytest.raises(OSError, match="refused"):
        predictions(server.url, "a good film")


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_a_server_is_gone_whatever_ends_its_block(bundle: Path, error: type[BaseException]) -> None:
    server = Server(["--bundle", str(bundle), *FREE])
    with pytest.raises(error), server:
        raise error
    assert not is_running(server)


def test_a_server_that_cannot_start_is_gone_before_its_block(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    server = Server(["--bundle", str(tmp_path / "nowhere"), *FREE])
    with pytest.raises(NotReadyError, match="ended before it was ready"), server:
        pytest.fail("there is nothing to serve")
    assert not is_running(server)
    assert "is no bundle" in capfd.readouterr().err, "the server's own words"


def test_ctrl_c_while_a_server_starts_leaves_nothing_running(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_process: object) -> dict[str, Any]:
        raise KeyboardInterrupt

    monkeypatch.setattr("seatrial.flows.serve.announced", interrupted)
    server = Server(["--bundle", str(bundle), *FREE])
    with pytest.raises(KeyboardInterrupt), server:
        pytest.fail("it never was ready")
    assert not is_running(server)


def test_ctrl_c_ends_the_waiting_and_then_the_server(bundle: Path) -> None:
    with Server(["--bundle", str(bundle), *FREE]) as server:
        main = threading.main_thread().ident
        assert main is not None
        timer = threading.Timer(0.2, signal.pthread_kill, (main, signal.SIGINT))
        timer.start()
        server.wait()
        assert is_running(server)
    assert not is_running(server)


def test_ctrl_c_as_soon_as_people_are_told_ends_the_waiting_too(bundle: Path) -> None:
    with Server(["--bundle", str(bundle), *FREE]) as server:
        server.wait(lambda: signal.raise_signal(signal.SIGINT))
        assert is_running(server)


def test_a_server_that_is_ended_by_somebody_else_ends_the_waiting(bundle: Path) -> None:
    with Server(["--bundle", str(bundle), *FREE]) as server:
        os.kill(server._process.pid, signal.SIGTERM)
        server.wait()
    with Server(["--bundle", str(bundle), *FREE]) as server:
        os.kill(server._process.pid, signal.SIGKILL)
        with pytest.raises(NotReadyError, match="code -9"):
            server.wait()


def test_a_server_that_never_is_ready_is_given_up(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seatrial.flows.serve._READY_WITHIN_S", 0.0)
    started = time.monotonic()
    server = Server(["--bundle", str(bundle), *FREE])
    with pytest.raises(NotReadyError, match="not ready within"), server:
        pytest.fail("it never was ready")
    assert not is_running(server)
    assert time.monotonic() - started < 60
