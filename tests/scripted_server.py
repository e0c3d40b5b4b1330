"""An HTTP server on the running loop whose every answer a test writes."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Received", "ScriptedServer", "answering", "prediction"]


@dataclass(frozen=True)
class Received:
    """One request: its number from 0 and its body."""

    number: int
    body: bytes

    @property
    def texts(self) -> list[str]:
        return list(json.loads(self.body)["texts"])


Script = Callable[[Received], Awaitable[tuple[int, bytes] | None]]
"""Status and body of the answer; None hangs up without one."""


@dataclass
class ScriptedServer:
    """Where it listens, and what it was asked."""

    port: int
    received: list[Received] = field(default_factory=list)
    connections: int = 0


def prediction(texts: Sequence[str], version: str = "1") -> bytes:
    """What a server says that calls every text with an even number of letters positive."""
    rows = [[0.25, 0.75] if len(text) % 2 == 0 else [0.75, 0.25] for text in texts]
    labels = ["positive" if row[1] > 0.5 else "negative" for row in rows]
    return json.dumps({"predictions": labels, "probabilities": rows, "version": version, "latency_ms": 1.0}).encode()


@contextlib.asynccontextmanager
async def answering(script: Script) -> AsyncIterator[ScriptedServer]:
    """Serves keep-alive HTTP/1.1 on loopback until the block ends."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        scripted.connections += 1
        tasks.add(asyncio.current_task())
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
                request = Received(len(scripted.received), await reader.readexactly(length))
                scripted.received.append(request)
                answer = await script(request)
                if answer is None:
                    return
                status, body = answer
                writer.write(b"HTTP/1.1 %d X\r\ncontent-length: %d\r\n\r\n" % (status, len(body)) + body)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    tasks: set[asyncio.Task[Any] | None] = set()
    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    scripted = ScriptedServer(server.sockets[0].getsockname()[1])
    try:
        yield scripted
    finally:
        server.close()
        for task in tasks:
            if task is not None:
                task.cancel()
        await asyncio.gather(*filter(None, tasks), return_exceptions=True)
