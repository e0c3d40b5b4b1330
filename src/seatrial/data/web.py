"""Fetching over HTTP with the standard library: the user's certificates, proxies and credentials, bounded, atomic."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import functools
import http.client
import os
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Self, TypeVar
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from seatrial import __version__
from seatrial.bundle import storage_errors
from seatrial.domain.errors import ConfigError, SourceError, UnreachableError, UsageError
from seatrial.domain.progress import SILENT, Progress

__all__ = ["Page", "Web", "locked", "public_address", "split_address"]

_CHUNK_BYTES = 2**18
_LARGEST_PAGE_BYTES = 64 * 2**20
_SCHEMES = frozenset({"http", "https", "file"})
# Variables with which people name their certificate authorities; OpenSSL reads SSL_CERT_FILE and SSL_CERT_DIR itself.
_CERTIFICATE_VARIABLES = ("PIP_CERT", "REQUESTS_CA_BUNDLE")
_OPENSSL_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
_RETRIED_STATUSES = frozenset({408, 425, 429})

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page:
    """A small document: its bytes, its content type, and the URL it came from after redirects."""

    body: bytes
    content_type: str
    url: str


@dataclass(frozen=True, slots=True)
class Web:
    """How the network is asked.

    Attributes:
        timeout_s: longest silence of a server.
        attempts: how often a dropped connection or a server's failure is tried in all.
        pause_s: wait before the second attempt; it doubles from then on.
    """

    timeout_s: float = 60.0
    attempts: int = 3
    pause_s: float = 0.5

    def read(self, url: str, accept: str = "*/*") -> Page:
        """Reads a small document.

        Raises:
            UnreachableError: no answer, or one that says no.
            SourceError: the document is too large.
        """

        def once() -> Page:
            with _Response(self, url, accept) as response:
                body = b"".join(response.chunks(_LARGEST_PAGE_BYTES))
                return Page(body, response.headers.get_content_type(), response.url)

        return self._retried(once)

    def download(
        self, url: str, destination: Path, *, limit_bytes: int, progress: Progress = SILENT, title: str = "download"
    ) -> None:
        """Writes a file so that `destination` is whole or as it was; the caller holds `locked` on its directory.

        Args:
            limit_bytes: a larger file is refused before it fills the disk.

        Raises:
            UnreachableError, SourceError: as `read` does.
            StorageFullError: no room; nothing is left behind.
        """
        partial = destination.with_name(f".{destination.name}.partial")

        def once() -> None:
            with (
                _Response(self, url) as response,
                partial.open("wb") as file,
                progress.step(title, total=response.total_bytes) as step,
            ):
                for chunk in response.chunks(limit_bytes):
                    file.write(chunk)
                    step.advance(len(chunk))
                file.flush()
                os.fsync(file.fileno())

        with storage_errors(f"write {destination}"):
            try:
                self._retried(once)
                partial.replace(destination)
            finally:
                partial.unlink(missing_ok=True)

    def _retried(self, fetch: Callable[[], T]) -> T:
        for attempt in range(1, self.attempts):
            try:
                return fetch()
            except UnreachableError as error:
                if _is_refusal(error.__cause__):
                    raise
                time.sleep(self.pause_s * 2 ** (attempt - 1))
        return fetch()


@contextlib.contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Makes a directory of the cache and admits one user at a time, so that what two need is fetched once.

    The kernel frees the lock of a killed process; the file it left unfinished is overwritten by the next.
    """
    with storage_errors(f"write {directory}"):
        directory.mkdir(parents=True, exist_ok=True)
        lock = (directory / ".lock").open("w")
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def public_address(url: str) -> str:
    """The address without user, password and query, which may be secrets: fit for messages and cards.

    Raises:
        UsageError: it is no address.

    Example:
        >>> public_address("https://ann:key@host/rows.csv?token=1")
        'https://host/rows.csv'
    """
    parts = split_address(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def split_address(url: str) -> SplitResult:
    """The parts of an address.

    Raises:
        UsageError: it is none.
    """
    try:
        return urlsplit(url)
    except ValueError as error:
        raise UsageError(f"{url!r} is no address: {error}.") from error


class _Response:
    """An open answer: its headers at once, its body by chunks, every fault of the network as one of our errors."""

    def __init__(self, web: Web, url: str, accept: str = "*/*") -> None:
        self._shown = public_address(url)
        request = _request(url, accept)
        opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=_tls_context()))
        try:
            self._body = opener.open(request, timeout=web.timeout_s)
        except urllib.error.HTTPError as error:
            error.close()
            advice = "check the address and your credentials" if _is_refusal(error) else "try again later"
            raise UnreachableError(f"{self._shown} answered {error.code} {error.reason}: {advice}.") from error
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error) from error
        self.headers: Message = self._body.headers
        self.url: str = self._body.url
        length = self.headers.get("Content-Length", "")
        self.total_bytes = int(length) if length.isascii() and length.isdigit() else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._body.close()

    def chunks(self, limit_bytes: int) -> Iterator[bytes]:
        """The body; ends with an error where it is too long, or shorter than announced."""
        received_bytes = 0
        while chunk := self._next_chunk():
            received_bytes += len(chunk)
            if received_bytes > limit_bytes:
                raise SourceError(f"{self._shown} is larger than the {limit_bytes:,} bytes expected: not read on.")
            yield chunk
        if self.total_bytes is not None and received_bytes < self.total_bytes:
            raise UnreachableError(
                f"{self._shown} broke off after {received_bytes:,} of {self.total_bytes:,} bytes: try again."
            )

    def _next_chunk(self) -> bytes:
        try:
            chunk: bytes = self._body.read(_CHUNK_BYTES)
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error) from error
        return chunk

    def _unreachable(self, error: Exception) -> UnreachableError:
        cause = getattr(error, "reason", error)
        advice = "check the network and the proxy settings"
        if isinstance(cause, ssl.SSLCertVerificationError):
            advice = "set SSL_CERT_FILE to the certificates of your authority"
        return UnreachableError(f"{self._shown} cannot be read ({cause or type(cause).__name__}): {advice}.")


def _is_refusal(cause: BaseException | None) -> bool:
    """Whether asking again is pointless: the server understood the request and said no."""
    return isinstance(cause, urllib.error.HTTPError) and cause.code < 500 and cause.code not in _RETRIED_STATUSES


def _request(url: str, accept: str) -> urllib.request.Request:
    """The request, with the user and password of the URL moved into a header that no redirect carries elsewhere."""
    parts = split_address(url)
    if parts.scheme not in _SCHEMES:
        raise UsageError(f"{public_address(url)} cannot be fetched: use an http://, https:// or file:// address.")
    credentials = parts.netloc.rpartition("@")[0]
    bare = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    headers = {"Accept": accept, "User-Agent": f"seatrial/{__version__}"}
    request = urllib.request.Request(bare, headers=headers)  # noqa: S310  the scheme was checked above
    if credentials:
        token = base64.b64encode(unquote(credentials).encode()).decode()
        request.add_unredirected_header("Authorization", f"Basic {token}")
    return request


def _tls_context() -> ssl.SSLContext:
    return _trusting(*(os.environ.get(name, "") for name in (*_CERTIFICATE_VARIABLES, *_OPENSSL_VARIABLES)))


@functools.lru_cache(maxsize=1)
def _trusting(*paths: str) -> ssl.SSLContext:
    """A context that trusts the system's and the user's certificates; reading them takes a tenth of a second."""
    context = ssl.create_default_context()
    for variable, path in zip(_CERTIFICATE_VARIABLES, paths, strict=False):
        if not path:
            continue
        try:
            context.load_verify_locations(**{"capath" if Path(path).is_dir() else "cafile": path})
        except OSError as error:
            raise ConfigError(f"{variable} names {path}, which holds no certificates: {error}.") from error
    return context
