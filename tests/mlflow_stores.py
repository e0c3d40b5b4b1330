"""Real MLflow stores for tests: a database whose tables are made once, and a server of our own on loopback."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path

from seatrial.bundle import Bundle, write_bundle
from seatrial.domain.model import ArtifactFormat, Lineage, ModelVersion, Signature
from seatrial.registry.mlflow_registry import MlflowRegistry
from tests.builders import SIGNATURE, manifest

__all__ = ["file_bundle", "free_port", "lineage", "new_database", "register", "server", "sqlite_registry"]

_START_S = 60
_STOP_S = 20


def new_database(directory: Path) -> Path:
    """A sqlite database with MLflow's tables and nothing in them."""
    path = directory / "mlflow.db"
    MlflowRegistry(f"sqlite:///{path}", str(directory / "files"), "unused", 10).list_models()
    return path


def sqlite_registry(directory: Path, database: Path | None = None) -> MlflowRegistry:
    """A registry with its database in the directory: a copy of `database`, or one that is made when first used."""
    directory.mkdir(parents=True, exist_ok=True)
    if database is not None:
        shutil.copyfile(database, directory / "mlflow.db")
    path = str(directory / "mlflow.db").replace("%", "%25")  # as Settings writes it
    return MlflowRegistry(f"sqlite:///{path}", (directory / "mlartifacts").as_uri(), "seatrial", 10)


@contextlib.contextmanager
def server(directory: Path, database: Path) -> Iterator[str]:
    """An MLflow tracking server with proxied files on a free port of loopback; gives its URL."""
    shutil.copyfile(database, directory / "server.db")
    port = free_port()
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)),
                *("--backend-store-uri", f"sqlite:///{directory / 'server.db'}", "--workers", "1"),
                *("--serve-artifacts", "--artifacts-destination", str(directory / "files")),
            ],
            cwd=directory,
            stdout=log,
            stderr=log,
            # Without job execution: it would start seven more processes that no test needs.
            env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            start_new_session=True,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _await_ready(process, url, directory / "log")
        yield url
    finally:
        _stop(process)


def free_port() -> int:
    """A port of loopback that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def file_bundle(
    directory: Path,
    text: str = "weights",
    *,
    model: str = "tiny",
    version: int | None = None,
    name: str = "source",
    signature: Signature = SIGNATURE,
) -> Bundle:
    """A bundle of two small files, one in a subdirectory; a registry never looks into them."""

    def fill(where: Path) -> None:
        (where / "weights.bin").write_text(text, "utf-8")
        (where / "tokenizer").mkdir()
        (where / "tokenizer" / "vocabulary.txt").write_text("好 good", "utf-8")

    made = manifest(name, ArtifactFormat.HUGGINGFACE, version=version, model=model, findings=(), signature=signature)
    return write_bundle(directory, made, fill)


def lineage(key: str = "") -> Lineage:
    """A lineage with the key, a new one by default."""
    return Lineage(key or uuid.uuid4().hex, "0" * 64, "1.0", {"epochs": "1"}, {"accuracy": 0.9})


def register(registry: MlflowRegistry, directory: Path, model: str = "tiny") -> ModelVersion:
    """One more version of the model."""
    bundle = file_bundle(directory / uuid.uuid4().hex, model=model)
    return registry.create_version(model, SIGNATURE, lineage(), bundle.directory)


def _await_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + _START_S
    while True:
        try:
            urllib.request.urlopen(f"{url}/health", timeout=2).close()
        except OSError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"mlflow server did not start:\n{log.read_text('utf-8', 'replace')}") from error
            time.sleep(0.1)
        else:
            return


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ends the server and the worker it started: they are a session of their own."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
