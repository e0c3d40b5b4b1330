"""Around FastAPI: which requests go there, and that it is the same endpoint either way."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest
from fastapi import FastAPI

from seatrial.serving.asgi import Receive, Scope, Send, json_reply
from seatrial.serving.hot_paths import HotPaths
from seatrial.serving.routes import Described, RawRoute


class Endpoint:
    def __init__(self) -> None:
        self.asked: list[tuple[dict[str, str], bool]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked.append((dict(scope.get("path_params", {})), "app" in scope))
        await json_reply(200, {}).send(send)


def ask(app: HotPaths, method: str, path: str) -> int:
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "headers": [], "query_string": b"", "root_path": ""}
    asyncio.run(app({**scope, "http_version": "1.1", "scheme": "http", "server": ("test", 80)}, receive, send))
    return int(sent[0]["status"])


@pytest.mark.parametrize(
    ("method", "path", "status", "names", "through_the_application"),
    [
        ("POST", "/predict", 200, {}, False),
        ("POST", "/models/m%20x/predict", 200, {"model": "m%20x"}, False),
        ("GET", "/page", 200, {}, True),
    ],
)
def test_posts_for_predictions_go_past_the_application(
    method: str, path: str, status: int, names: dict[str, str], *, through_the_application: bool
) -> None:
    app, endpoint = FastAPI(), Endpoint()
    for verb, route in (("POST", "/predict"), ("POST", "/models/{model}/predict"), ("GET", "/page")):
        app.router.routes.append(RawRoute(verb, route, endpoint, Described(route, "", {})))
    assert ask(HotPaths(app, app.router.routes), method, path) == status
    assert endpoint.asked == [(names, through_the_application)]


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/predict", 405), ("POST", "/nowhere", 404)])
def test_what_has_no_endpoint_is_the_applications(method: str, path: str, status: int) -> None:
    app = FastAPI()
    app.router.routes.append(RawRoute("POST", "/predict", Endpoint(), Described("predict", "", {})))
    assert ask(HotPaths(app, app.router.routes), method, path) == status
