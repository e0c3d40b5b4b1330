"""The internal port's table of paths."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from seatrial.config import ServingSettings
from seatrial.engines.fake_engine import FakeEngine
from seatrial.serving.asgi import Receive, Scope, Send, json_reply
from seatrial.serving.internal import InternalApp
from seatrial.serving.journal_reader import JournalReader
from seatrial.serving.plane import DataPlane
from tests.journals import lines, written


def ask(app: InternalApp, method: str, path: str, query: str = "", body: bytes = b"") -> tuple[int, Any]:
    """Status and document of the answer."""
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "query_string": query.encode(), "headers": []}
    asyncio.run(app(scope, receive, send))
    start, content = sent
    is_json = dict(start["headers"])[b"content-type"] == b"application/json"
    return start["status"], json.loads(content["body"]) if is_json else content["body"]


@pytest.fixture
def plane() -> DataPlane:
    return DataPlane(ServingSettings(), lambda _bundle: FakeEngine())


def test_probes_and_metrics_answer_before_anything_is_loaded(plane: DataPlane) -> None:
    app = InternalApp(plane)
    assert ask(app, "GET", "/health") == (200, {"status": "healthy", "model_loaded": False})
    assert ask(app, "HEAD", "/health")[0] == 200
    assert ask(app, "GET", "/ready")[0] == 503
    assert b"journal_bytes" in ask(app, "GET", "/metrics")[1]
    assert ask(app, "GET", "/admin/models") == (200, {"models": []})
    assert ask(app, "POST", "/admin/load", body=b'{"ref": "tiny@1"}')[0] == 503


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"ref": 1}', b'{"ref": "\xff"}', b"[" * 60_000, b'{"reference": "a@1"}']
)
def test_a_body_that_is_something_else_is_refused_with_what_is_asked_for(plane: DataPlane, body: bytes) -> None:
    status, document = ask(InternalApp(plane), "POST", "/admin/load", body=body)
    assert status == 400
    assert '"ref"' in document["error"]


def test_other_paths_and_methods_are_not_there(plane: DataPlane) -> None:
    app = InternalApp(plane)
    assert ask(app, "GET", "/predict")[0] == 404
    assert ask(app, "GET", "/admin/journal")[0] == 404
    assert ask(app, "GET", "/admin/switch")[0] == 405
    assert ask(app, "POST", "/metrics")[0] == 405


def test_the_journal_is_given_as_it_was_written(plane: DataPlane, tmp_path: Path) -> None:
    written(tmp_path, lines(3)).close()
    app = InternalApp(plane, JournalReader(tmp_path))
    status, page = ask(app, "GET", "/admin/journal", "limit=2")
    assert status == 200
    assert [entry["prediction"]["request_id"] for entry in page["entries"]] == ["r0", "r1"]
    rest = ask(app, "GET", "/admin/journal", f"after={page['next']}")[1]
    assert [entry["prediction"]["request_id"] for entry in rest["entries"]] == ["r2"]
    for query in ("limit=0", "limit=10001", "limit=-1", "limit=x", "limit=%D9%A1", "after=x"):
        assert ask(app, "GET", "/admin/journal", query)[0] == 400


def test_an_application_answers_the_paths_it_is_mounted_at(plane: DataPlane) -> None:
    async def mounted(scope: Scope, receive: Receive, send: Send) -> None:
        await json_reply(200, scope["path"]).send(send)

    app = InternalApp(plane, mounts={"/v2/": mounted})
    assert ask(app, "POST", "/v2/repository/index") == (200, "/v2/repository/index")
    assert ask(app, "GET", "/v2")[0] == 404
