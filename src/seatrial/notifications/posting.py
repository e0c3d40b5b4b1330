"""Sending one document to one address; no redirect is followed, and no answer is read beyond its status."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from seatrial import __version__
from seatrial.config import mask_path
from seatrial.domain.errors import NotTakenError, UnreachableError

if TYPE_CHECKING:
    import httpx

__all__ = ["Post"]

_LONGEST_ASKED_S = 3600.0


class Post:
    """An address that takes JSON; nothing is connected before the first message.

    Args:
        url: shown in messages without what may be secret.
        timeout_s: longest wait for a connection, and for each part of an answer.
    """

    def __init__(self, url: str, timeout_s: float) -> None:
        self._url = url
        self._timeout_s = timeout_s
        self._opened: httpx.Client | None = None

    @property
    def shown(self) -> str:
        """The address without what may be secret."""
        return mask_path(self._url)

    def send(self, body: bytes, headers: Mapping[str, str]) -> None:
        """Sends a message.

        Raises:
            NotTakenError: the answer is not of the 2xx.
            UnreachableError: there is no answer.
        """
        import httpx

        sent = {"content-type": "application/json", "user-agent": f"seatrial/{__version__}", **headers}
        try:
            with self._client().stream("POST", self._url, content=body, headers=sent) as answer:
                status, again = answer.status_code, answer.headers.get("retry-after", "")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            # The class alone: an error's own words may repeat the address.
            raise UnreachableError(
                f"{self.shown} does not answer ({type(error).__name__}): check that it runs, and its address."
            ) from error
        if not 200 <= status < 300:
            again_in_s = min(float(again), _LONGEST_ASKED_S) if again.isascii() and again.isdecimal() else 0.0
            advice = "redirects are not followed: set the final address" if 300 <= status < 400 else "see its log"
            raise NotTakenError(f"{self.shown} answered {status}, not 2xx: {advice}.", status, again_in_s)

    def close(self) -> None:
        """Closes the connection."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def _client(self) -> httpx.Client:
        import httpx

        if self._opened is None:
            self._opened = httpx.Client(timeout=self._timeout_s, follow_redirects=False)
        return self._opened
