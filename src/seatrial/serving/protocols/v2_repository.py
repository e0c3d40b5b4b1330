"""V2's model repository on the internal port: what is loaded, load and unload.

Who may use it is decided in front of it, by `key_checks.AdminCheck`.

Source: Triton's model repository extension.
"""

from __future__ import annotations

from typing import Any

import msgspec

from seatrial.domain.errors import InvalidRequestError
from seatrial.domain.naming import VersionRef
from seatrial.serving.asgi import Receive, Reply, Scope, Send, json_reply, read_body
from seatrial.serving.exchange import Lifecycle
from seatrial.serving.http_errors import method_reply, path_reply, v2_admin_error_reply
from seatrial.serving.protocols.v2_description import V2Description
from seatrial.serving.settling import settle

__all__ = ["RepositoryApp"]

_INDEX = "/v2/repository/index"
_MODELS = "/v2/repository/models/"
_MOST_BODY_BYTES = 65_536
_BODY_WITHIN_S = 10.0


class _Body(msgspec.Struct, frozen=True):
    """What may come with a call; Triton's own parameters are read over."""

    parameters: dict[str, Any] = {}


class RepositoryApp:
    """Answers ``POST /v2/repository/index`` and ``POST /v2/repository/models/{model}/load`` or ``…/unload``.

    A model is named as ``MODEL@V``, or as ``MODEL`` with the parameter `version`. Loading gives a version no traffic
    unless it is its model's first: requests that name it are answered, and /admin/switch gives it the rest.
    """

    def __init__(self, lifecycle: Lifecycle) -> None:
        self._plane = lifecycle.plane
        self._description = V2Description(lifecycle)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        reply = await settle(self._answer(scope, receive), v2_admin_error_reply)
        if reply is not None:
            await reply.send(send)

    async def _answer(self, scope: Scope, receive: Receive) -> Reply:
        path = scope["path"]
        model, _, act = path.removeprefix(_MODELS).rpartition("/")
        if path != _INDEX and not (path.startswith(_MODELS) and model and act in ("load", "unload")):
            return path_reply(path, f"POST to {_INDEX}, or to {_MODELS}MODEL@V/load or /unload")
        if scope["method"] != "POST":
            return method_reply(scope["method"], "POST")
        body = _read(await read_body(scope, receive, _MOST_BODY_BYTES, _BODY_WITHIN_S))
        if path == _INDEX:
            return json_reply(200, self._description.index())
        ref = self._ref(model, body.parameters.get("version"))
        if act == "load":
            ref = (await self._plane.load_version(ref)).ref
        else:
            await self._plane.unload(ref)
        name, _, version = ref.partition("@")
        return json_reply(200, {"name": name, "version": version})

    def _ref(self, model: str, version: Any) -> str:
        """``MODEL@V``; a bare name means the only loaded version of the model, or else the one in production."""
        if version is not None:
            model = f"{model}@{version}"
        if "@" not in model:
            loaded = [variant.ref for variant in self._plane.variants if variant.model == model]
            if len(loaded) > 1:
                raise InvalidRequestError(f"{model[:100]} is loaded as {', '.join(loaded)}: name one of them.")
            if loaded:
                return loaded[0]
        return str(VersionRef.parse(model))


def _read(body: bytes) -> _Body:
    if not body:
        return _Body()
    try:
        return msgspec.json.decode(body, type=_Body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequestError(f"The body is not what is asked for here ({error}): send {{}}.") from None
