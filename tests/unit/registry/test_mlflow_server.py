"""What only a tracking server shows: routes that are missing, files that go through it, its own end."""

from __future__ import annotations

import contextlib
import http.server
import threading
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from seatrial.domain.errors import UnreachableError
from seatrial.domain.model import Alias
from seatrial.registry.mlflow_registry import MlflowRegistry
from tests.mlflow_stores import register

STAGE_ROUTES = ("transition-stage", "get-latest-versions")


@contextlib.contextmanager
def relay(url: str, missing: tuple[str, ...] = ()) -> Iterator[str]:
    """Stands before the server: passes everything on but routes with `missing` in them, which do not exist."""

    class Proxy(http.server.BaseHTTPRequestHandler):
        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            request = urllib.request.Request(f"{url}{self.path}", body or None, method=self.command)
            request.add_header("Content-Type", self.headers.get("Content-Type", "application/json"))
            if any(route in self.path for route in missing):
                status, answer = 404, b"<html>Not Found</html>"
            else:
                try:
                    with urllib.request.urlopen(request, timeout=20) as response:
                        status, answer = response.status, response.read()
                except urllib.error.HTTPError as error:
                    status, answer = error.code, error.read()
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _pass_on  # noqa: N815  names of the standard library

        def log_message(self, *_: object) -> None:
            pass

    proxy = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    thread = threading.Thread(target=proxy.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{proxy.server_port}"
    finally:
        proxy.shutdown()
        thread.join()
        proxy.server_close()


@pytest.fixture
def model() -> str:
    return f"tiny-{uuid.uuid4().hex[:8]}"


def test_without_stages_the_aliases_work_alone(mlflow_server: str, model: str, tmp_path: Path) -> None:
    with relay(mlflow_server, STAGE_ROUTES) as url:
        registry = MlflowRegistry(url, "", "stageless", 20)
        register(registry, tmp_path, model), register(registry, tmp_path, model)
        registry.set_alias(model, Alias.PRODUCTION, 1)
        registry.set_alias(model, Alias.PRODUCTION, 2)
        registry.set_alias(model, Alias.STAGING, 1)
        registry.delete_alias(model, Alias.STAGING)
        assert registry.aliases(model) == {Alias.PRODUCTION: 2}
        assert registry.stages(model) == {}
    assert MlflowRegistry(mlflow_server, "", "stageless", 20).stages(model) != {}


def test_files_come_through_the_server(mlflow_server: str, model: str, tmp_path: Path) -> None:
    registry = MlflowRegistry(mlflow_server, "", "files", 20)
    version = register(registry, tmp_path, model)
    assert registry.source_uri(version).startswith("mlflow-artifacts:/")
    copied = registry.download_model(f"models:/{model}/1", tmp_path / "copied")
    assert (copied / "source" / "weights.bin").read_text() == "weights"


def test_a_server_that_ends_is_unreachable_from_then_on(mlflow_server: str, model: str, tmp_path: Path) -> None:
    with relay(mlflow_server) as url:
        registry = MlflowRegistry(url, "", "files", 20)
        version = register(registry, tmp_path, model)
    for ask in (
        lambda: registry.aliases(model),
        lambda: registry.set_alias(model, Alias.PRODUCTION, 1),
        lambda: registry.fetch_bundle(version, "source", tmp_path / "fetched"),
        lambda: register(registry, tmp_path, model),
    ):
        with pytest.raises(UnreachableError, match="Connection refused"):
            ask()
