"""The application of the internal port: probes, metrics, and the paths that administer the data plane.

Who may use the paths under /admin is decided in front of it, by `key_checks.AdminCheck`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar
from urllib.parse import parse_qs

import msgspec

from seatrial.domain.errors import InvalidRequestError
from seatrial.serving.asgi import ASGIApp, Receive, Reply, Scope, Send, header, json_reply, read_body
from seatrial.serving.health import health_reply, ready_reply
from seatrial.serving.http_errors import admin_error_reply, method_reply, path_reply
from seatrial.serving.journal_format import Cursor
from seatrial.serving.journal_reader import JournalReader
from seatrial.serving.plane import DataPlane
from seatrial.serving.settling import settle
from seatrial.serving.wire import check_media_type

__all__ = ["InternalApp"]

_MOST_BODY_BYTES = 65_536
_BODY_WITHIN_S = 10.0
_MOST_ENTRIES = 10_000
_USUAL_ENTRIES = 1000

Answering = Callable[[Scope, Receive], Awaitable[Reply]]
AskedT = TypeVar("AskedT", bound=msgspec.Struct)


class _Ref(msgspec.Struct, frozen=True):
    """A version, as ``MODEL@V``."""

    ref: str


class _Version(msgspec.Struct, frozen=True):
    """A loaded version of a model."""

    model: str
    version: str


class _Page(msgspec.Struct, frozen=True):
    """Entries of the journal as they were written, and where the next page begins."""

    entries: list[msgspec.Raw]
    next: str
    damaged: int
    missed: bool


class InternalApp:
    """Answers what the paths of its table name.

    Args:
        journal: None: there is none, and no path to read it.
        mounts: applications for all paths that begin with theirs.
    """

    def __init__(
        self, plane: DataPlane, journal: JournalReader | None = None, mounts: Mapping[str, ASGIApp] | None = None
    ) -> None:
        self._plane = plane
        self._mounts = dict(mounts or {})
        self._routes: dict[str, tuple[str, Answering]] = {
            "/metrics": ("GET", self._metrics),
            "/health": ("GET", self._health),
            "/ready": ("GET", self._ready),
            "/admin/models": ("GET", self._models),
            "/admin/load": ("POST", self._load),
            "/admin/unload": ("POST", self._unload),
            "/admin/switch": ("POST", self._switch),
        }
        if journal is not None:
            self._journal = journal
            self._routes["/admin/journal"] = ("GET", self._read_journal)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request; there is nothing to do when the server starts and ends, its other scope."""
        if scope["type"] != "http":
            return
        for start, mounted in self._mounts.items():
            if scope["path"].startswith(start):
                await mounted(scope, receive, send)
                return
        reply = await settle(self._answer(scope, receive), admin_error_reply)
        if reply is not None:
            await reply.send(send)

    async def _answer(self, scope: Scope, receive: Receive) -> Reply:
        if scope["path"] not in self._routes:
            return path_reply(scope["path"], "the paths are in docs/http.md")
        method, answering = self._routes[scope["path"]]
        if scope["method"] != method and (method, scope["method"]) != ("GET", "HEAD"):
            return method_reply(scope["method"], method)
        return await answering(scope, receive)

    async def _metrics(self, scope: Scope, _receive: Receive) -> Reply:
        body, content_type = self._plane.metrics.exposition(header(scope, b"accept") or "")
        return Reply(200, body, content_type)

    async def _health(self, _scope: Scope, _receive: Receive) -> Reply:
        return health_reply(self._plane)

    async def _ready(self, _scope: Scope, _receive: Receive) -> Reply:
        return ready_reply(self._plane)

    async def _models(self, _scope: Scope, _receive: Receive) -> Reply:
        """What is loaded, and which version of each model has its traffic."""
        versions: dict[str, list[dict[str, object]]] = {}
        for variant in self._plane.variants:
            artifact = variant.engine.artifact
            versions.setdefault(variant.model, []).append(
                {"version": variant.version, "artifact": artifact.name, "labels": variant.labels}
            )
        traffic = self._plane.traffic
        models = [{"model": name, "traffic": traffic[name], "versions": loaded} for name, loaded in versions.items()]
        return json_reply(200, {"models": models})

    async def _load(self, scope: Scope, receive: Receive) -> Reply:
        asked = await _read(scope, receive, _Ref)
        variant = await self._plane.load_version(asked.ref)
        return json_reply(200, {"ref": variant.ref})

    async def _unload(self, scope: Scope, receive: Receive) -> Reply:
        asked = await _read(scope, receive, _Ref)
        await self._plane.unload(asked.ref)
        return json_reply(200, {"ref": asked.ref})

    async def _switch(self, scope: Scope, receive: Receive) -> Reply:
        asked = await _read(scope, receive, _Version)
        await self._plane.switch(asked.model, asked.version)
        return json_reply(200, {"ref": f"{asked.model}@{asked.version}"})

    async def _read_journal(self, scope: Scope, _receive: Receive) -> Reply:
        query = {name: values[-1] for name, values in parse_qs(scope["query_string"].decode("latin-1")).items()}
        after, limit = Cursor.parse(query.get("after", "")), _limit(query.get("limit", str(_USUAL_ENTRIES)))
        page = await asyncio.to_thread(self._journal.read_bodies, after, limit)
        entries = [msgspec.Raw(body) for body in page.bodies]
        return json_reply(200, _Page(entries, str(page.next), page.damaged, page.missed))


async def _read(scope: Scope, receive: Receive, kind: type[AskedT]) -> AskedT:
    check_media_type(header(scope, b"content-type"), header(scope, b"content-encoding"))
    body = await read_body(scope, receive, _MOST_BODY_BYTES, _BODY_WITHIN_S)
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        fields = ", ".join(f'"{name}": "…"' for name in kind.__struct_fields__)
        raise InvalidRequestError(f"The body is not what is asked for here ({error}): send {{{fields}}}.") from None


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and 1 <= int(text) <= _MOST_ENTRIES):
        raise InvalidRequestError(f"limit is {text[:20]!r}: send a number from 1 to {_MOST_ENTRIES}.")
    return int(text)
