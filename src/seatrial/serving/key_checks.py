"""The doors of the two ports: who is let in to which paths. ASGI applications around others."""

from __future__ import annotations

import abc
import time
from collections.abc import Callable

from seatrial.domain.errors import RequestError
from seatrial.serving.api_keys import KeyRing
from seatrial.serving.asgi import ASGIApp, Receive, Scope, Send, header
from seatrial.serving.http_errors import error_reply, error_row
from seatrial.serving.internal_access import require_admin

__all__ = ["AdminCheck", "KeyCheck"]

_PROBES = frozenset({"/health", "/ready", "/ping", "/v2/health/live", "/v2/health/ready"})
"""What load balancers and kubelets ask, which have no keys."""
_SCRAPES = _PROBES | {"/metrics"}


class _Check(abc.ABC):
    """Lets some requests pass to an application and refuses the others, each with one count.

    A refused request leaves no record: a stranger shall not be able to write into the journal.
    """

    def __init__(self, app: ASGIApp, keys: KeyRing | None, count: Callable[[str], None]) -> None:
        self._app = app
        self._keys = keys
        self._count = count

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        if scope["type"] == "http":
            try:
                self._admit(scope)
            except RequestError as error:
                self._count(error_row(type(error)).reason)
                await error_reply(error).send(send)
                return
        await self._app(scope, receive, send)

    @abc.abstractmethod
    def _admit(self, scope: Scope) -> None:
        """Raises RequestError for a request that may not pass."""


class KeyCheck(_Check):
    """The public port: probes are open, everything else needs a key where there is a key file.

    Args:
        app: what answers.
        keys: None: the port is open.
        count: told the reason of each refusal.
    """

    def _admit(self, scope: Scope) -> None:
        if self._keys is not None and scope["path"] not in _PROBES:
            self._keys.admit(header(scope, b"authorization"), time.monotonic())


class AdminCheck(_Check):
    """The internal port: probes and metrics are open, everything else is for this machine or needs a token.

    Args:
        app: what answers.
        keys: the tokens; None: only this machine.
        count: told the reason of each refusal.
    """

    def _admit(self, scope: Scope) -> None:
        if scope["path"] not in _SCRAPES:
            require_admin(scope, self._keys, time.monotonic())
