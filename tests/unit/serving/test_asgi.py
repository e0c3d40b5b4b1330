"""Reading bodies within limits, whatever the client declares."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest

from seatrial.domain.errors import PayloadTooLargeError, SlowRequestError
from seatrial.serving.asgi import Receive, json_reply, read_body


def client(*chunks: bytes, ends: bool = True) -> Receive:
    """A client that sends these chunks and then ends its body, or says nothing more."""
    messages: Iterable[dict[str, Any]] = iter(
        {"type": "http.request", "body": chunk, "more_body": not ends or i < len(chunks) - 1}
        for i, chunk in enumerate(chunks)
    )

    async def receive() -> dict[str, Any]:
        for message in messages:
            return message
        await asyncio.Event().wait()
        raise AssertionError

    return receive


def body(receive: Receive, max_bytes: int = 10, declared: bytes | None = None, within_s: float = 30.0) -> bytes:
    headers = [] if declared is None else [(b"content-length", declared)]
    return asyncio.run(read_body({"headers": headers}, receive, max_bytes, within_s))


@pytest.mark.parametrize("chunks", [[b"0123456789"], [b"01234", b"56789"], [b"", b"0123456789", b""]])
def test_a_body_of_just_the_limit_is_read_whole(chunks: list[bytes]) -> None:
    assert body(client(*chunks)) == b"0123456789"


def test_a_body_that_declares_too_much_is_refused_before_anything_is_read() -> None:
    async def never() -> dict[str, Any]:
        raise AssertionError("was read")

    with pytest.raises(PayloadTooLargeError, match="10 bytes"):
        body(never, declared=b"11")


def test_an_endless_body_is_refused_at_the_limit_and_read_no_further() -> None:
    chunks_read = 0

    async def endless() -> dict[str, Any]:
        nonlocal chunks_read
        chunks_read += 1
        return {"type": "http.request", "body": b"abc", "more_body": True}

    with pytest.raises(PayloadTooLargeError):
        body(endless)
    assert chunks_read == 4


@pytest.mark.parametrize("declared", [b"3", b"-1", b"nonsense", b""])
def test_a_declared_length_that_lies_does_not_lift_the_limit(declared: bytes) -> None:
    with pytest.raises(PayloadTooLargeError):
        body(client(b"0123456789a"), declared=declared)


def test_a_body_that_never_ends_times_out() -> None:
    with pytest.raises(SlowRequestError):
        body(client(b"012", ends=False), within_s=0.01)


def test_a_client_that_leaves_is_noticed() -> None:
    async def leaving() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    with pytest.raises(ConnectionAbortedError):
        body(leaving)


def test_a_reply_is_one_start_and_one_body() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(json_reply(503, {"error": "later"}, ("retry-after", "2")).send(send, ("x-request-id", "7")))
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert dict(sent[0]["headers"]) == {
        b"content-type": b"application/json",
        b"content-length": b"17",
        b"retry-after": b"2",
        b"x-request-id": b"7",
    }
    assert sent[1]["body"] == b'{"error":"later"}'
