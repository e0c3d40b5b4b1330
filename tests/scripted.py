"""A server made of a script: what httpx's transports carry goes to a function, for tests of the client."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

import httpx

from seatrial.client import AsyncClient, Client, Patience

__all__ = ["HASTY", "Script", "Scripted", "ask_all", "good_answer", "texts_of"]

HASTY = Patience(first_pause_s=0.0)
"""Repeats at once."""

Script = Callable[[httpx.Request], httpx.Response]


class Scripted(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Answers each request with what `script` makes of it; an error that it raises is the transport's."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.requests: list[httpx.Request] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.requests.append(request)
        return self.script(request)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        self.requests.append(request)
        await asyncio.sleep(0)
        return self.script(request)


def texts_of(request: httpx.Request) -> list[str]:
    """The texts that a request asks about."""
    texts: list[str] = json.loads(request.content)["texts"]
    return texts


def good_answer(texts: Sequence[str], **fields: Any) -> httpx.Response:
    """What a model answers that finds texts with a `+` positive."""
    document = {
        "predictions": ["positive" if "+" in text else "negative" for text in texts],
        "probabilities": [[0.25, 0.75] if "+" in text else [0.75, 0.25] for text in texts],
        "labels": ["negative", "positive"],
        "latency_ms": 1.5,
        "model": "tiny",
        "version": "7",
        "request_id": "r1",
    }
    return httpx.Response(200, json={**document, **fields})


def ask_all(
    transport: Scripted, texts: Sequence[str], *, threads: bool, patience: Patience = HASTY, **options: Any
) -> list[str]:
    """Labels that `predict_many` gives, by either client."""
    if threads:
        with Client(transport=transport, patience=patience) as client:
            return [prediction.label for prediction in client.predict_many(texts, **options)]

    async def ask() -> list[str]:
        async with AsyncClient(transport=transport, patience=patience) as client:
            return [prediction.label async for prediction in client.predict_many(texts, **options)]

    return asyncio.run(ask())
