"""The joint between requests and httpx: addresses, headers, time limits, and what each of its errors means here."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from seatrial import __version__
from seatrial.client.exchange import Failure, Patience, Repeat, Reply, Request
from seatrial.client.statuses import failure_of
from seatrial.domain.errors import (
    AnswerLostError,
    DeadlineExceededError,
    UnreachableError,
    UnreadableAnswerError,
    UsageError,
)

__all__ = ["DEFAULT_URL", "Address", "Verify", "failure_from", "outcome_of", "request_arguments", "too_slow"]

DEFAULT_URL = "http://127.0.0.1:8080"
Verify = bool | str | ssl.SSLContext
"""Whose certificates are trusted: the system's (True), those of a file or directory, a context; nobody's (False)."""

_LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, slots=True)
class Address:
    """Where a data plane answers, and how it knows us.

    Attributes:
        url: ``http://host:port``, ``https://host:port``, or ``unix:/path/to/socket``.
        verify: whose certificates are trusted.

    Raises:
        UsageError: the URL is none of these, or the key cannot stand in a header.
    """

    url: str
    api_key: str | None = None
    verify: Verify = True

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        whole = parts.path if parts.scheme == "unix" else parts.hostname
        if parts.scheme not in ("http", "https", "unix") or not whole:
            raise UsageError(f"{self.url!r} is no address: write http://HOST:PORT, https://HOST:PORT or unix:/PATH.")
        if self.api_key is not None and not (self.api_key.isascii() and self.api_key.isprintable() and self.api_key):
            raise UsageError("The API key cannot stand in a header: give it as it was issued, without line ends.")

    @property
    def socket_path(self) -> str | None:
        """Of the Unix socket, None for a network address."""
        parts = urlsplit(self.url)
        return parts.path if parts.scheme == "unix" else None

    def client_arguments(self) -> dict[str, Any]:
        """Arguments that httpx's two clients share.

        Redirects are not followed: they could carry texts and key to another place. Proxies of the environment are not
        asked for addresses of this machine, and answers from it are not packed for the way.
        """
        here = self.socket_path is not None or urlsplit(self.url).hostname in _LOOPBACK
        key = {"authorization": f"Bearer {self.api_key}"} if self.api_key else {}
        return {
            "base_url": "http://localhost" if self.socket_path else self.url,
            "headers": {
                "user-agent": f"seatrial/{__version__}",
                "accept": "application/json",
                "accept-encoding": "identity" if here else "gzip",
                **key,
            },
            "verify": self._trust(),
            "trust_env": not here,
            "limits": httpx.Limits(max_connections=None, max_keepalive_connections=64),
        }

    def _trust(self) -> bool | ssl.SSLContext:
        if not isinstance(self.verify, str):
            return self.verify
        authorities = Path(self.verify)
        place = {"capath" if authorities.is_dir() else "cafile": self.verify}
        try:
            return ssl.create_default_context(**place)  # type: ignore[arg-type]  # both take a path
        except OSError as error:  # ssl.SSLError is one
            raise UsageError(f"{authorities} holds no certificates that can be read ({error}): name others.") from error


def request_arguments(request: Request, patience: Patience, within_s: float) -> dict[str, Any]:
    """Arguments of httpx's `request` and `stream`."""
    return {
        "method": request.method,
        "url": request.path,
        "content": request.body or None,
        "headers": dict(request.headers),
        "timeout": httpx.Timeout(
            connect=min(patience.connect_s, within_s),
            read=min(patience.read_s, within_s),
            write=min(patience.read_s, within_s),
            pool=within_s,
        ),
    }


def outcome_of(status: int, headers: Mapping[str, str], body: bytes) -> Reply | Failure:
    """What an HTTP answer means."""
    reply = Reply(status, headers, body)
    return reply if reply.good else failure_of(reply)


def failure_from(error: httpx.HTTPError, url: str) -> Failure:
    """What an error of httpx means."""
    reason = str(error) or type(error).__name__
    match error:
        case httpx.ConnectError() | httpx.ConnectTimeout() | httpx.ProxyError():
            words = f"No connection to {url} ({reason}): check that a data plane serves there."
            return Failure(UnreachableError(words), Repeat.ALWAYS)
        case httpx.TimeoutException():
            return too_slow(url)
        case httpx.LocalProtocolError() | httpx.UnsupportedProtocol():
            return Failure(UsageError(f"The request cannot be sent ({reason}): check its headers and the address."))
        case httpx.TransportError():
            words = f"{url} ended the connection before the answer ({reason}): whether it did its work is not known."
            return Failure(AnswerLostError(words), Repeat.WHERE_HARMLESS)
        case _:
            return Failure(UnreadableAnswerError(f"The answer of {url} cannot be read ({reason})."))


def too_slow(url: str) -> Failure:
    """The failure of a server that takes longer than there is time."""
    return Failure(DeadlineExceededError(f"{url} did not answer in time: send less at once, or wait longer."))
