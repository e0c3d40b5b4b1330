"""Compressed requests and answers, for every path alike: an ASGI application around another."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

from seatrial.domain.errors import MediaTypeError, PayloadTooLargeError
from seatrial.serving.asgi import ASGIApp, Receive, Scope, Send, header
from seatrial.serving.content_coding import PIECE_BYTES, Unpacker, choose_coding, compress, unpacker

__all__ = ["WORTH_BYTES", "CodedBodies"]

WORTH_BYTES = 14_600
"""Answers from here on are compressed. Ten segments of 1460 bytes leave at once (RFC 6928): a smaller answer arrives no
sooner for being smaller, and compressing it would take time from the engine."""

_TEXTUAL = (b"application/json", b"text/")
_KEPT = frozenset({b"content-length", b"content-encoding"})
"""Request headers that speak of the coded body, and are gone once it is decoded."""

_Message = MutableMapping[str, Any]


class CodedBodies:
    """Hands gzip and zstd bodies to an application as plain ones, and compresses its large answers.

    The application reads a decoded body like any other, so its own limit on the body holds for what comes out. Errors
    of a body are raised where it is read.

    Args:
        app: what answers.
        max_body_bytes: largest coded body.
    """

    def __init__(self, app: ASGIApp, max_body_bytes: int) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        if scope["type"] == "http":
            coding = accept = None
            for name, value in scope["headers"]:
                if name == b"content-encoding":
                    coding = value
                elif name == b"accept-encoding":
                    accept = value
            if coding is not None and coding.lower() != b"identity":
                receive = self._decoded(scope, receive, str(coding, "latin-1"))
            if accept is not None:
                send = _compressed(scope, send, str(accept, "latin-1"))
        await self._app(scope, receive, send)

    def _decoded(self, scope: Scope, receive: Receive, coding: str) -> Receive:
        found = unpacker(coding)
        if found is None:
            return _refusing(coding)
        length = header(scope, b"content-length")
        if length is not None and length.isdecimal() and int(length) > self._max_body_bytes:
            return receive  # with its headers as they are: who reads it finds the length and refuses it unread
        scope["headers"] = [(name, value) for name, value in scope["headers"] if name not in _KEPT]
        return _DecodedBody(receive, found, self._max_body_bytes)


class _DecodedBody:
    """The `receive` of a coded body: one plain piece a call, so that nobody has to hold more than one."""

    def __init__(self, receive: Receive, unpack: Unpacker, max_body_bytes: int) -> None:
        self._receive = receive
        self._unpack = unpack
        self._left_bytes = max_body_bytes
        self._pieces = iter(unpack.feed(b""))
        self._whole = False
        self._told = False

    async def __call__(self) -> _Message:
        """The next message of the plain body."""
        if self._told:
            return await self._receive()
        while True:
            plain = self._next_piece()
            if plain:
                if len(plain) >= PIECE_BYTES:  # a large body must not hold up the others while it is unpacked
                    await asyncio.sleep(0)
                return {"type": "http.request", "body": plain, "more_body": True}
            if self._whole:
                self._unpack.end()
                self._told = True
                return {"type": "http.request", "body": b"", "more_body": False}
            message = await self._receive()
            if message["type"] != "http.request":
                return message
            coded = message.get("body", b"")
            self._left_bytes -= len(coded)
            if self._left_bytes < 0:  # also where nothing comes out of it: a coded body may be all headers
                raise PayloadTooLargeError("The compressed body is too large: send fewer or shorter texts at once.")
            self._whole = not message.get("more_body")
            self._pieces = iter(self._unpack.feed(coded))

    def _next_piece(self) -> bytes:
        """Some more of the plain body; empty when everything that arrived is unpacked."""
        pieces: list[bytes] = []
        size_bytes = 0
        for piece in self._pieces:
            pieces.append(piece)
            size_bytes += len(piece)
            if size_bytes >= PIECE_BYTES:
                break
        return b"".join(pieces)


def _refusing(coding: str) -> Receive:
    async def receive() -> _Message:
        raise MediaTypeError(f"Content-Encoding {coding[:100]!r} is not read here: send gzip, zstd or none.")

    return receive


def _compressed(scope: Scope, send: Send, accept: str) -> Send:
    """A `send` that compresses what is whole, textual and large enough."""
    coding, must = choose_coding(accept)
    if not coding or scope["method"] == "HEAD":
        return send
    held: _Message | None = None

    async def held_back(message: _Message) -> None:
        nonlocal held
        if message["type"] == "http.response.start":
            held = message
            return
        start, held = held, None
        if start is not None:
            body = message.get("body", b"")
            large = len(body) >= (1 if must else WORTH_BYTES)
            if large and not message.get("more_body") and _is_plain_text(start):
                packed = compress(coding, body)
                start["headers"] = [
                    *((name, value) for name, value in start["headers"] if name != b"content-length"),
                    (b"content-length", b"%d" % len(packed)),
                    (b"content-encoding", coding.encode()),
                    (b"vary", b"accept-encoding"),
                ]
                message = {**message, "body": packed}
            await send(start)
        await send(message)

    return held_back


def _is_plain_text(start: _Message) -> bool:
    headers = dict(start["headers"])
    return b"content-encoding" not in headers and headers.get(b"content-type", b"").startswith(_TEXTUAL)
