"""The two clients over a scripted transport: the same calls, the same requests, the same errors."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import seatrial
from seatrial.client import AsyncClient, Client, Patience
from seatrial.client.connection import Address
from seatrial.domain.errors import (
    AnswerLostError,
    DeadlineExceededError,
    InvalidRequestError,
    OverloadedError,
    UnreachableError,
    UnreadableAnswerError,
    UsageError,
)
from tests.scripted import HASTY, Scripted, good_answer, texts_of


class Caller:
    """Calls a method of either client over a script."""

    def __init__(self, threads: bool) -> None:
        self.threads = threads
        self.transport = Scripted(lambda request: good_answer(texts_of(request)))

    def __call__(self, method: str, *arguments: Any, patience: Patience = HASTY, **options: Any) -> Any:
        call_options = {name: options.pop(name) for name in ("url", "api_key") if name in options}

        async def call() -> Any:
            async with AsyncClient(transport=self.transport, patience=patience, **call_options) as client:
                return await getattr(client, method)(*arguments, **options)

        if not self.threads:
            return asyncio.run(call())
        with Client(transport=self.transport, patience=patience, **call_options) as client:
            return getattr(client, method)(*arguments, **options)

    def script(self, *outcomes: httpx.Response | Exception) -> None:
        """Answers, one after the other."""
        remaining = iter(outcomes)

        def next_outcome(_request: httpx.Request) -> httpx.Response:
            outcome = next(remaining)
            if isinstance(outcome, Exception):
                raise outcome
            # A response belongs to the client that has read it.
            return httpx.Response(outcome.status_code, headers=outcome.headers, content=outcome.content)

        self.transport.script = next_outcome

    @property
    def sent(self) -> list[httpx.Request]:
        return self.transport.requests


@pytest.fixture(params=[True, False], ids=["Client", "AsyncClient"])
def call(request: pytest.FixtureRequest) -> Caller:
    return Caller(request.param)


def test_the_root_opens_the_clients() -> None:
    assert (seatrial.Client, seatrial.AsyncClient) == (Client, AsyncClient)


def test_one_text_or_several(call: Caller) -> None:
    assert call("predict", "+").labels == ["positive"]
    assert call("predict", ("+", "-")).labels == ["positive", "negative"]
    assert [texts_of(request) for request in call.sent] == [["+"], ["+", "-"]]


def test_what_is_sent(call: Caller) -> None:
    options: dict[str, Any] = {
        "max_length": 9,
        "unit": "u",
        "model": "m",
        "headers": {"X-Request-Id": "r", "traceparent": "00-a-b-01"},
    }
    call("predict", "+", url="https://models.example:8443/base", api_key="k", **options)
    (sent,) = call.sent
    assert str(sent.url) == "https://models.example:8443/base/models/m/predict"
    assert json.loads(sent.content) == {"texts": ["+"], "max_length": 9, "unit": "u"}
    expected = {
        "authorization": "Bearer k",
        "x-request-id": "r",
        "traceparent": "00-a-b-01",
        "content-type": "application/json",
        "user-agent": f"seatrial/{seatrial.__version__}",
    }
    assert expected.items() <= dict(sent.headers).items()


def test_without_a_key_none_is_sent(call: Caller) -> None:
    call("predict", "+")
    assert "authorization" not in call.sent[0].headers


@pytest.mark.parametrize(
    ("url", "coding"),
    [("http://127.0.0.1:1", "identity"), ("unix:/x", "identity"), ("https://models.example", "gzip")],
)
def test_answers_are_packed_for_a_long_way_only(call: Caller, url: str, coding: str) -> None:
    call("predict", "+", url=url)
    assert call.sent[0].headers["accept-encoding"] == coding


def test_proxies_are_not_asked_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    assert Address("http://localhost:8080").client_arguments()["trust_env"] is False
    assert Address("http://models.example").client_arguments()["trust_env"] is True


@pytest.mark.parametrize(
    "failing",
    [
        httpx.ConnectError("refused"),
        httpx.ConnectTimeout("slow"),
        httpx.ReadError("reset"),
        httpx.RemoteProtocolError("disconnected"),
        httpx.Response(503, headers={"retry-after": "0"}),
        httpx.Response(503),
        httpx.Response(429, headers={"retry-after": "0"}),
        httpx.Response(502),
    ],
    ids=lambda failing: type(failing).__name__ + str(getattr(failing, "status_code", "")),
)
def test_predict_is_repeated_after_what_passes(call: Caller, failing: httpx.Response | Exception) -> None:
    call.script(failing, failing, good_answer(["+"]))
    assert call("predict", "+").labels == ["positive"]
    assert len(call.sent) == 3


@pytest.mark.parametrize(
    ("failing", "kind"),
    [
        (httpx.ReadTimeout("silent"), DeadlineExceededError),
        (httpx.Response(504, json={"error": "Late."}), DeadlineExceededError),
        (httpx.Response(400, json={"error": "No."}), InvalidRequestError),
        (httpx.Response(307, headers={"location": "https://elsewhere.example/"}), UnreadableAnswerError),
        (httpx.Response(200, content=b"<html>"), UnreadableAnswerError),
        (httpx.DecodingError("no gzip"), UnreadableAnswerError),
        (httpx.LocalProtocolError("a header"), UsageError),
    ],
    ids=lambda value: getattr(value, "__name__", "") or type(value).__name__,
)
def test_what_would_fail_again_is_not_repeated(
    call: Caller, failing: httpx.Response | Exception, kind: type[Exception]
) -> None:
    call.script(failing)
    with pytest.raises(kind):
        call("predict", "+")
    assert len(call.sent) == 1


@pytest.mark.parametrize(
    ("failing", "kind"),
    [
        (httpx.ConnectError("refused"), UnreachableError),
        (httpx.ReadError("reset"), AnswerLostError),
        (httpx.Response(503, headers={"retry-after": "0"}, json={"error": "Full."}), OverloadedError),
    ],
    ids=["refused", "lost", "overloaded"],
)
def test_patience_ends(call: Caller, failing: httpx.Response | Exception, kind: type[Exception]) -> None:
    call.script(*[failing] * 100)
    with pytest.raises(kind):
        call("predict", "+", patience=Patience(attempts=4, first_pause_s=0.0))
    assert len(call.sent) == 4


def test_feedback_about_a_label_may_be_told_twice(call: Caller) -> None:
    call.script(httpx.ReadError("reset"), httpx.Response(200, json={}))
    call("feedback", "r", 1, "positive")
    assert [json.loads(request.content) for request in call.sent] == [
        {"request_id": "r", "index": 1, "label": "positive"}
    ] * 2


def test_feedback_that_would_count_twice_is_told_once(call: Caller) -> None:
    call.script(httpx.ConnectError("refused"), httpx.Response(503, headers={"retry-after": "0"}), httpx.ReadError("x"))
    with pytest.raises(AnswerLostError, match="whether it did its work is not known"):
        call("feedback_metric", "sale", 9.5, unit="u")
    assert len(call.sent) == 3, "what was certainly not counted is told again"


def test_health_and_readiness(call: Caller) -> None:
    call.script(
        httpx.Response(200, json={"status": "healthy", "model_loaded": True}),
        httpx.Response(200, json={"ready": True}),
        httpx.Response(503, headers={"retry-after": "1"}, json={"error": "Draining."}),
        httpx.ConnectError("refused"),
    )
    assert call("health").model_loaded
    assert call("ready") is True
    assert call("ready") is False
    with pytest.raises(UnreachableError, match="check that a data plane serves there"):
        call("ready")
    assert [request.url.path for request in call.sent] == ["/health", "/ready", "/ready", "/ready"]


def test_nothing_is_sent_for_no_texts(call: Caller) -> None:
    assert call("predict_each", []) == []
    assert call.sent == []


@pytest.mark.parametrize("kind", [Client, AsyncClient])
@pytest.mark.parametrize("url", ["", "127.0.0.1:8080", "ftp://host", "http://", "unix:"])
def test_an_address_that_is_none_is_refused(kind: Callable[..., object], url: str) -> None:
    with pytest.raises(UsageError, match="is no address"):
        kind(url)


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_authorities_that_cannot_be_read_are_refused(tmp_path: Path, content: str | None) -> None:
    authorities = tmp_path / "authorities.pem"
    if content:
        authorities.write_text(content)
    with pytest.raises(UsageError, match="holds no certificates"):
        Client("https://models.example", verify=str(authorities))
    Client("https://models.example", verify=str(tmp_path)).close()


@pytest.mark.parametrize("key", ["", "two\nlines", "schlüssel"])
def test_a_key_that_cannot_be_sent_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(UsageError) as raised:
        Client(api_key=key)
    assert not key or key not in str(raised.value)


class Drip(httpx.SyncByteStream):
    """A body that never ends; each byte comes soon enough."""

    def __init__(self) -> None:
        self.closed = threading.Event()

    def __iter__(self) -> Iterator[bytes]:
        while not self.closed.wait(0.001):
            yield b" "

    def close(self) -> None:
        self.closed.set()


def test_a_body_that_drips_does_not_hold_its_reader() -> None:
    transport = Scripted(lambda _request: httpx.Response(200, stream=Drip()))

    class Unread(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            return transport.script(request)

    client = Client(transport=Unread(), patience=Patience(total_s=0.05))
    with client, pytest.raises(DeadlineExceededError):
        client.predict("+")


def test_a_server_that_never_answers_does_not_hold_a_loop() -> None:
    class Silent(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            await asyncio.sleep(600)
            raise AssertionError("nobody waits so long")

    async def ask() -> None:
        async with AsyncClient(transport=Silent(), patience=Patience(total_s=0.05)) as client:
            await client.predict("+")

    with pytest.raises(DeadlineExceededError):
        asyncio.run(ask())
