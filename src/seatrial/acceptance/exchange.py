"""One request and its answer over plain HTTP: a client that knows nothing of Seatrial."""

from __future__ import annotations

import contextlib
import http.client
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from seatrial.domain.errors import UnreachableError

__all__ = ["JSON", "Reply", "Session"]

JSON: Mapping[str, str] = {"Content-Type": "application/json"}
_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer; names of headers in lower case."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def document(self) -> Any:
        """The body as JSON; None where it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


class Session:
    """A keep-alive connection to one port."""

    def __init__(self, connection: http.client.HTTPConnection) -> None:
        self._connection = connection

    @classmethod
    @contextlib.contextmanager
    def to(cls, url: str, timeout_s: float = _TIMEOUT_S) -> Iterator[Session]:
        """A session that ends with its block; nothing is sent before the first request."""
        address = urlsplit(url)
        connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=timeout_s)
        with contextlib.closing(connection):
            yield cls(connection)

    def ask(self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] = JSON) -> Reply:
        """One request.

        Raises:
            UnreachableError: nobody answers, or something that is no HTTP.
        """
        try:
            self._connection.request(method, path, body, dict(headers))
            answer = self._connection.getresponse()
            return Reply(answer.status, answer.read(), {name.lower(): value for name, value in answer.getheaders()})
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()  # the next request begins anew
            raise UnreachableError(
                f"{method} {path} got no answer ({error!r}): see the log of the data plane."
            ) from error

    def predict(self, texts: list[str] | tuple[str, ...], **fields: Any) -> Reply:
        """POST /predict."""
        return self.ask("POST", "/predict", json.dumps({"texts": list(texts), **fields}).encode())
