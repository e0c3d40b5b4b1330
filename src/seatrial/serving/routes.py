"""Routes that FastAPI describes like any other and a raw ASGI application answers.

FastAPI's own way of reading a body and checking a response costs several times what the rest of a request does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from fastapi.routing import APIRoute

from seatrial.serving.asgi import ASGIApp, Receive, Reply, Scope, Send
from seatrial.serving.wire import schema_of

__all__ = ["Described", "Page", "RawRoute", "error_responses", "json_content"]

_IDS = (
    ("X-Request-Id", "Comes back with the answer, and stands in logs and records."),
    ("traceparent", "Trace of W3C Trace Context; comes back with the answer, and stands in logs and records."),
)
_PATH = {
    "model": ("Name of a model.", "bert-sentiment"),
    "version": ("One of its loaded versions.", "7"),
}


@dataclass(frozen=True, slots=True)
class Described:
    """What the API's description says about a path.

    Attributes:
        operation_id: unique in the description.
        contents: media types of the request's body with their schemas; none: it has no body.
        responses: descriptions and contents by status.
        headers: names and meanings of request headers.
    """

    operation_id: str
    summary: str
    responses: Mapping[str, Any]
    description: str = ""
    contents: Mapping[str, Any] = field(default_factory=dict)
    headers: tuple[tuple[str, str], ...] = ()


class RawRoute(APIRoute):
    """A route with a description of its own, answered by `endpoint`."""

    def __init__(self, method: str, path: str, endpoint: ASGIApp, described: Described) -> None:
        async def shown() -> None:
            """Never called: it stands for the endpoint in the description."""

        super().__init__(
            path,
            shown,
            methods=[method],
            operation_id=described.operation_id,
            summary=described.summary,
            description=described.description,
            openapi_extra=_operation(path, described),
        )
        self.app = endpoint


class Page:
    """An ASGI application that answers a GET with what `make` makes of the names in its path.

    Args:
        refuse: the reply to an error.
    """

    def __init__(self, make: Callable[[Mapping[str, str]], Reply], refuse: Callable[[Exception], Reply]) -> None:
        self._make = make
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  ASGI's signature
        """Answers one request."""
        try:
            reply = self._make(scope.get("path_params", {}))
        except Exception as error:  # noqa: BLE001  whatever it is, the protocol says how a client is told
            reply = self._refuse(error)
        await reply.send(send)


def json_content(kind: type[msgspec.Struct], *examples: Any) -> dict[str, Any]:
    """The content of a JSON body: its schema, and examples."""
    content: dict[str, Any] = {"schema": schema_of(kind)}
    if examples:
        content["examples"] = {f"example {number}": {"value": value} for number, value in enumerate(examples, 1)}
    return {"application/json": content}


def error_responses(meanings: Mapping[int, str], kind: type[msgspec.Struct]) -> dict[str, Any]:
    """The responses of errors: one body for all, a meaning for each."""
    content = {"application/json": {"schema": schema_of(kind)}}
    return {str(status): {"description": meaning, "content": content} for status, meaning in meanings.items()}


def _operation(path: str, described: Described) -> dict[str, Any]:
    ids = _IDS if described.contents else ()
    parameters = [
        {"name": name, "in": "header", "description": meaning, "schema": {"type": "string", "maxLength": 128}}
        for name, meaning in (*ids, *described.headers)
    ]
    parameters += [
        {"name": name, "in": "path", "required": True, "description": meaning, "schema": {"type": "string"}}
        | {"example": example}
        for name, (meaning, example) in _PATH.items()
        if f"{{{name}}}" in path
    ]
    operation: dict[str, Any] = {"parameters": parameters, "responses": described.responses}
    if described.contents:
        operation["requestBody"] = {"required": True, "content": described.contents}
    return operation
