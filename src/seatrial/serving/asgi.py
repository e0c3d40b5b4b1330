"""The few words of ASGI that the data plane speaks: reading a body within limits, sending a reply.

Source: ASGI specification, HTTP connection scope, version 2.3.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

import msgspec

from seatrial.domain.errors import PayloadTooLargeError, SlowRequestError

__all__ = ["ASGIApp", "Receive", "Reply", "Scope", "Send", "header", "json_reply", "read_body"]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole HTTP response.

    Attributes:
        headers: besides content type and length, names in lower case.
    """

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()

    async def send(self, send: Send, *extra: tuple[str, str]) -> None:
        """Hands the response over, with `extra` headers."""
        headers = [
            (b"content-type", self.content_type.encode("latin-1")),
            (b"content-length", str(len(self.body)).encode()),
            *((name.encode("latin-1"), value.encode("latin-1")) for name, value in (*self.headers, *extra)),
        ]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})


def json_reply(status: int, document: Any, *headers: tuple[str, str]) -> Reply:
    """A reply whose body is the document as JSON."""
    return Reply(status, msgspec.json.encode(document), headers=headers)


def header(scope: Scope, name: bytes) -> str | None:
    """The first value of a request header, None where there is none.

    Example:
        >>> header({"headers": [(b"content-type", b"text/plain")]}, b"content-type")
        'text/plain'
    """
    for key, value in scope["headers"]:
        if key == name:
            return str(value, "latin-1")
    return None


async def read_body(scope: Scope, receive: Receive, max_bytes: int, within_s: float) -> bytes:
    """The request's body, whether its length is declared, chunked or a lie; never holds more than `max_bytes`.

    Raises:
        PayloadTooLargeError: it is longer, or declares to be.
        SlowRequestError: it did not arrive within `within_s` seconds.
        ConnectionAbortedError: the client left.
    """
    declared = header(scope, b"content-length")
    if declared is not None and declared.isdecimal() and int(declared) > max_bytes:
        raise _too_large(max_bytes)
    parts: list[bytes] = []
    size_bytes = 0
    try:
        async with asyncio.timeout(within_s):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ConnectionAbortedError("The client left before its body was whole.")
                parts.append(message.get("body", b""))
                size_bytes += len(parts[-1])
                if size_bytes > max_bytes:
                    raise _too_large(max_bytes)
                if not message.get("more_body"):
                    return parts[0] if len(parts) == 1 else b"".join(parts)
    except TimeoutError:
        raise SlowRequestError(f"The body did not arrive within {within_s:.0f} s: send it faster.") from None


def _too_large(max_bytes: int) -> PayloadTooLargeError:
    return PayloadTooLargeError(f"The body is over {max_bytes} bytes: send fewer or shorter texts at once.")
