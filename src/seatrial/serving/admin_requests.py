"""How requests to the paths under /admin are read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar
from urllib.parse import parse_qs

import msgspec

from seatrial.domain.errors import InvalidRequestError
from seatrial.serving.asgi import Receive, Reply, Scope, header, read_body
from seatrial.serving.wire import check_media_type

__all__ = ["Answering", "read_document", "read_query"]

_MOST_BODY_BYTES = 65_536
_BODY_WITHIN_S = 10.0

Answering = Callable[[Scope, Receive], Awaitable[Reply]]
AskedT = TypeVar("AskedT", bound=msgspec.Struct)


async def read_document(scope: Scope, receive: Receive, kind: type[AskedT]) -> AskedT:
    """The request's body.

    Raises:
        InvalidRequestError: it is something else.
        ReleasePlanError: it is of that kind, with values that are impossible together.
    """
    check_media_type(header(scope, b"content-type"), header(scope, b"content-encoding"))
    body = await read_body(scope, receive, _MOST_BODY_BYTES, _BODY_WITHIN_S)
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        fields = ", ".join(f'"{name}": "…"' for name in kind.__struct_fields__)
        raise InvalidRequestError(f"The body is not what is asked for here ({error}): send {{{fields}}}.") from None


def read_query(scope: Scope) -> dict[str, str]:
    """The parameters behind the path; of those that are given twice, the last.

    Example:
        >>> read_query({"query_string": b"model=m&version=1&version=2"})
        {'model': 'm', 'version': '2'}
    """
    return {name: values[-1] for name, values in parse_qs(scope["query_string"].decode("latin-1")).items()}
