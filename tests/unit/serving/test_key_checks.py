"""Who is let in to which paths of the two ports."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from seatrial.serving.api_keys import KeyRing, key_line
from seatrial.serving.asgi import Receive, Scope, Send, json_reply
from seatrial.serving.key_checks import AdminCheck, KeyCheck


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        await json_reply(200, {"passed": True}).send(send)


@pytest.fixture
def keys(tmp_path: Path) -> KeyRing:
    (tmp_path / "keys").write_text(f"{key_line('shop', 'right', 2)}\n")
    return KeyRing(tmp_path / "keys")


def ask(check: Any, path: str, peer: str = "10.0.0.7", **headers: str) -> tuple[int, dict[bytes, bytes]]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "path": path,
        "client": (peer, 1),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    asyncio.run(check(scope, None, send))
    return sent[0]["status"], dict(sent[0]["headers"])


def test_the_public_port_is_open_without_a_key_file() -> None:
    assert ask(KeyCheck(app, None, pytest.fail), "/predict")[0] == 200


def test_with_one_everything_but_the_probes_needs_a_key(keys: KeyRing) -> None:
    counts: list[str] = []
    check = KeyCheck(app, keys, counts.append)
    for path in ("/health", "/ready", "/ping", "/v2/health/live", "/v2/health/ready"):
        assert ask(check, path)[0] == 200
    for path in ("/predict", "/docs", "/health/", "//health", "/v2/models/x/ready", "/metrics", "/Health"):
        status, headers = ask(check, path)
        assert (status, headers[b"www-authenticate"]) == (401, b'Bearer realm="seatrial"')
    assert counts == ["unauthenticated"] * 7
    assert [ask(check, "/predict", authorization="Bearer right")[0] for _ in range(2)] == [200, 200]
    status, headers = ask(check, "/predict", authorization="Bearer right")
    assert status == 429
    assert 1 <= int(headers[b"retry-after"]) <= 30
    assert counts[-1] == "rate_limited"


def test_the_internal_port_is_for_this_machine_but_for_probes_and_metrics(keys: KeyRing) -> None:
    counts: list[str] = []
    for tokens in (None, keys):
        check = AdminCheck(app, tokens, counts.append)
        for path in ("/metrics", "/health", "/ready", "/v2/health/ready"):
            assert ask(check, path)[0] == 200
        for path in ("/admin/load", "/v2/repository/index", "/anything"):
            assert ask(check, path)[0] == 401
            assert ask(check, path, "127.0.0.1", host="localhost:9090")[0] == 200
            assert ask(check, path, "127.0.0.1", host="evil.example")[0] == 401
    assert ask(AdminCheck(app, keys, counts.append), "/admin/load", authorization="Bearer right")[0] == 200
    assert counts == ["unauthenticated"] * 12


def test_what_is_no_request_passes(keys: KeyRing) -> None:
    asyncio.run(KeyCheck(app, keys, pytest.fail)({"type": "lifespan"}, None, None))  # type: ignore[arg-type]  # unused
