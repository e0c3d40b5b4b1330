from __future__ import annotations

import contextlib
import http.server
import logging
import os
import socket
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from seatrial.domain.errors import DependencyError, MissingExtraError, StorageFullError, UnreachableError
from seatrial.registry.mlflow_connection import MlflowConnection, translated
from seatrial.registry.mlflow_registry import MlflowRegistry
from tests.mlflow_stores import free_port, register, sqlite_registry

TIMEOUT_S = 1.0
VARIABLES = ("MLFLOW_HTTP_REQUEST_TIMEOUT", "MLFLOW_HTTP_REQUEST_MAX_RETRIES")


@contextlib.contextmanager
def answering(status: int, body: str) -> Iterator[str]:
    """A server that gives every request the same answer."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def failure(url: str) -> DependencyError:
    import mlflow  # noqa: F401  its import is not what is timed

    started_s = time.monotonic()
    with pytest.raises(DependencyError) as caught:
        MlflowRegistry(url, "", "seatrial", TIMEOUT_S).list_models()
    assert time.monotonic() - started_s < TIMEOUT_S + 2
    return caught.value


def test_a_refused_connection_is_unreachable_at_once_and_hides_the_password() -> None:
    error = failure(f"http://ann:s3cret@127.0.0.1:{free_port()}")
    assert isinstance(error, UnreachableError)
    assert "Connection refused" in str(error)
    assert "ann:***@127.0.0.1" in str(error)
    assert "s3cret" not in str(error)


def test_a_server_that_never_answers_is_unreachable_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        error = failure(f"http://127.0.0.1:{listener.getsockname()[1]}")
    assert isinstance(error, UnreachableError)
    assert "no answer within 1 s" in str(error)


def test_an_unknown_host_is_unreachable() -> None:
    assert isinstance(failure("http://nowhere.invalid:5000"), UnreachableError)


@pytest.mark.parametrize(
    ("status", "body"),
    [(404, "<html>Not found</html>"), (500, "oops"), (502, "bad gateway"), (200, "<html>Welcome</html>")],
)
def test_a_server_that_is_not_mlflow_is_unreachable(status: int, body: str) -> None:
    with answering(status, body) as url:
        error = failure(url)
    assert isinstance(error, UnreachableError)
    assert "tracking_uri" in str(error)


def test_a_refusal_is_told_with_its_reason() -> None:
    with answering(403, '{"error_code": "PERMISSION_DENIED", "message": "Permission denied for ann"}') as url:
        error = failure(url)
    assert not isinstance(error, UnreachableError)
    assert "Permission denied for ann" in str(error)


def test_a_full_disk_is_told_apart() -> None:
    from mlflow.exceptions import MlflowException

    for text in (
        "(sqlite3.OperationalError) database or disk is full\n(Background on this error at: …)",
        "The following failures occurred while downloading …\n[Errno 28] No space left on device: 'a' -> 'b'",
    ):
        error = translated(MlflowException(text), "sqlite:///mlflow.db", 10)
        assert isinstance(error, StorageFullError)
        assert "free some space" in str(error)


def test_what_mlflow_says_is_one_line_without_secrets() -> None:
    from mlflow.exceptions import MlflowException

    text = "cannot connect to postgresql://ann:s3cret@db/mlflow\nTraceback (most recent call last):\n…"
    message = str(translated(MlflowException(text), "postgresql://ann:s3cret@db/mlflow", 10))
    assert "s3cret" not in message
    assert "Traceback" not in message


def test_without_mlflow_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(MissingExtraError, match=r"seatrial\[registry\]"):
        sqlite_registry(tmp_path).list_models()


def test_the_process_is_left_as_it_was(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mlflow_database: Path) -> None:
    monkeypatch.setenv(VARIABLES[0], "77")
    monkeypatch.delenv(VARIABLES[1], raising=False)
    logger, filters = logging.getLogger("mlflow"), list(warnings.filters)
    level = logger.level
    with MlflowConnection(f"sqlite:///{mlflow_database}", str(tmp_path), 3).client():
        assert [os.environ[name] for name in VARIABLES] == ["3", "0"]
        assert logger.level == logging.CRITICAL
    assert os.environ[VARIABLES[0]] == "77"
    assert VARIABLES[1] not in os.environ
    assert logger.level == level
    assert warnings.filters == filters


def test_the_last_thread_restores_the_process(tmp_path: Path, mlflow_database: Path) -> None:
    connection = MlflowConnection(f"sqlite:///{mlflow_database}", str(tmp_path), 3)
    entered, leave = threading.Event(), threading.Event()

    def stay() -> None:
        with connection.client():
            entered.set()
            leave.wait(30)

    before = os.environ.get(VARIABLES[0])
    thread = threading.Thread(target=stay)
    thread.start()
    assert entered.wait(30)
    with connection.client():
        pass
    assert os.environ[VARIABLES[0]] == "3"
    leave.set()
    thread.join()
    assert os.environ.get(VARIABLES[0]) == before


def test_nothing_is_printed_or_logged(
    tmp_path: Path, mlflow_server: str, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    registry = MlflowRegistry(mlflow_server, "", "quiet", 20)
    register(registry, tmp_path, "quiet")
    registry.fetch_bundle(registry.get_version("quiet", 1), "source", tmp_path / "fetched")
    fresh = sqlite_registry(tmp_path / "fresh")
    register(fresh, tmp_path)
    assert capfd.readouterr() == ("", "")
    assert [record for record in caplog.records if record.name.startswith(("mlflow", "alembic"))] == []
