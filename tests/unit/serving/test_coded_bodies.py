"""Compressed requests and answers around an application that knows nothing of them."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Iterable
from typing import Any

import pytest
import zstandard

from seatrial.domain.errors import InvalidRequestError, MediaTypeError, PayloadTooLargeError
from seatrial.serving.asgi import Receive, Reply, Scope, Send, read_body
from seatrial.serving.coded_bodies import WORTH_BYTES, CodedBodies
from seatrial.serving.content_coding import compress

MOST_BYTES = 100_000


class Echo:
    """Answers with the body it read, or with a long text."""

    def __init__(self, answer: bytes | None = None, content_type: str = "application/json") -> None:
        self.answer = answer
        self.content_type = content_type
        self.seen: list[Any] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.seen = scope.get("headers", [])
        body = await read_body(scope, receive, MOST_BYTES, 30.0)
        await Reply(200, body if self.answer is None else self.answer, self.content_type).send(send)


def ask(
    app: Any, chunks: Iterable[bytes] = (b"",), method: str = "POST", **headers: str
) -> tuple[dict[bytes, bytes], bytes]:
    """Headers and body of the answer to a request."""
    chunks = list(chunks)
    messages = [
        {"type": "http.request", "body": chunk, "more_body": i < len(chunks) - 1} for i, chunk in enumerate(chunks)
    ]
    sent: list[Any] = []

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
    }
    asyncio.run(CodedBodies(app, MOST_BYTES)(scope, receive, send))
    return dict(sent[0]["headers"]), b"".join(message["body"] for message in sent[1:])


@pytest.mark.parametrize("coding", ["gzip", "zstd", "x-gzip", "GZIP"])
def test_a_coded_body_arrives_as_a_plain_one(coding: str) -> None:
    packed = compress("zstd" if coding == "zstd" else "gzip", b"fine" * 5000)
    app = Echo()
    chunks = [packed[i : i + 7] for i in range(0, len(packed), 7)]
    _, body = ask(app, chunks, content_encoding=coding, content_length=str(len(packed)), content_type="text/plain")
    assert body == b"fine" * 5000
    assert app.seen == [(b"content-type", b"text/plain")]


@pytest.mark.parametrize("coding", ["identity", "Identity"])
def test_no_coding_is_left_alone(coding: str) -> None:
    app = Echo()
    assert ask(app, [b"fi", b"ne"], content_encoding=coding)[1] == b"fine"
    assert app.seen


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_a_bomb_is_refused_as_soon_as_it_is_over_the_limit(coding: str) -> None:
    reads = 0
    packed = compress(coding, bytes(200 * 2**20))

    async def receive() -> Any:
        nonlocal reads
        reads += 1
        return {"type": "http.request", "body": packed[(reads - 1) * 1000 : reads * 1000], "more_body": True}

    scope: Scope = {"type": "http", "method": "POST", "headers": [(b"content-encoding", coding.encode())]}
    with pytest.raises(PayloadTooLargeError):
        asyncio.run(CodedBodies(Echo(), MOST_BYTES)(scope, receive, receive))  # type: ignore[arg-type]  # never sends
    assert reads <= 2


def test_a_coded_body_that_is_too_large_itself_is_refused_whatever_comes_out() -> None:
    header = b"\x1f\x8b\x08\x10" + bytes(6)  # a gzip stream whose file name does not end
    with pytest.raises(PayloadTooLargeError):
        ask(Echo(), [header] + [b"x" * 50_000] * 3, content_encoding="gzip")
    with pytest.raises(PayloadTooLargeError, match="100000 bytes"):
        ask(Echo(), [], content_encoding="gzip", content_length="100001")


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_broken_and_cut_off_bodies_are_the_clients_mistake(coding: str) -> None:
    packed = compress(coding, b"good" * 100)
    with pytest.raises(InvalidRequestError, match=f"no {coding}"):
        ask(Echo(), [b"plain words"], content_encoding=coding)
    with pytest.raises(InvalidRequestError, match="middle"):
        ask(Echo(), [packed[:-3]], content_encoding=coding)


@pytest.mark.parametrize("coding", ["br", "deflate", "gzip, gzip", "x" * 1000])
def test_a_coding_that_is_not_known_is_named(coding: str) -> None:
    with pytest.raises(MediaTypeError, match="gzip, zstd or none") as refusal:
        ask(Echo(), [b"fine"], content_encoding=coding)
    assert len(str(refusal.value)) < 200


def test_a_client_that_leaves_in_the_middle_is_noticed() -> None:
    async def receive() -> Any:
        return {"type": "http.disconnect"}

    scope: Scope = {"type": "http", "method": "POST", "headers": [(b"content-encoding", b"gzip")]}
    with pytest.raises(ConnectionAbortedError):
        asyncio.run(CodedBodies(Echo(), MOST_BYTES)(scope, receive, receive))  # type: ignore[arg-type]  # never sends


LARGE = json.dumps(["fine"] * 5000).encode()


@pytest.mark.parametrize("accept", ["gzip", "zstd", "gzip, deflate, br, zstd"])
def test_a_large_answer_is_compressed_for_who_understands_it(accept: str) -> None:
    headers, body = ask(Echo(LARGE), accept_encoding=accept)
    coding = "zstd" if "zstd" in accept else "gzip"
    assert headers[b"content-encoding"] == coding.encode()
    assert headers[b"vary"] == b"accept-encoding"
    assert int(headers[b"content-length"]) == len(body) < len(LARGE) / 10
    assert (zstandard.ZstdDecompressor().decompress(body) if coding == "zstd" else gzip.decompress(body)) == LARGE


@pytest.mark.parametrize("accept", ["identity", "br", "gzip;q=0", ""])
def test_nobody_gets_what_he_did_not_ask_for(accept: str) -> None:
    headers, body = ask(Echo(LARGE), accept_encoding=accept)
    assert b"content-encoding" not in headers
    assert body == LARGE
    assert ask(Echo(LARGE))[1] == LARGE


def test_a_small_answer_is_compressed_only_for_who_refuses_plain_ones() -> None:
    small = b"x" * (WORTH_BYTES - 1)
    assert ask(Echo(small), accept_encoding="gzip")[1] == small
    assert gzip.decompress(ask(Echo(small), accept_encoding="gzip, identity;q=0")[1]) == small
    assert gzip.decompress(ask(Echo(small + b"x"), accept_encoding="gzip")[1]) == small + b"x"


def test_tensors_and_heads_stay_as_they_are() -> None:
    assert ask(Echo(LARGE, "application/octet-stream"), accept_encoding="gzip")[1] == LARGE
    assert b"content-encoding" not in ask(Echo(LARGE), method="HEAD", accept_encoding="gzip")[0]


def test_an_answer_in_pieces_or_coded_already_passes_unchanged() -> None:
    async def pieces(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        for more in (True, True, False):
            await send({"type": "http.response.body", "body": LARGE, "more_body": more})

    async def coded(scope: Scope, receive: Receive, send: Send) -> None:
        await Reply(200, LARGE, headers=(("content-encoding", "br"),)).send(send)

    assert ask(pieces, accept_encoding="gzip")[1] == LARGE * 3
    assert ask(coded, accept_encoding="gzip")[0][b"content-encoding"] == b"br"


def test_what_is_no_request_passes() -> None:
    seen: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])

    asyncio.run(CodedBodies(app, 1)({"type": "lifespan"}, None, None))  # type: ignore[arg-type]  # neither is used
    assert seen == ["lifespan"]
