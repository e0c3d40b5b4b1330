"""Asking the internal port of a data plane."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from seatrial.domain.errors import UnreachableError, UnreadableAnswerError

if TYPE_CHECKING:
    import httpx

__all__ = ["DataPlaneClient", "Refusal"]

_CONFLICT, _NOT_FOUND = 409, 404
_LOAD_WITHIN_S = 600.0
"""Loading a version reads its files, checks them and warms it up."""


class Refusal(Exception):  # noqa: N818  no error of the tree: whoever asks turns it into one
    """The data plane says that what is asked for contradicts its state, or is not there."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.is_conflict = status == _CONFLICT


class DataPlaneClient:
    """The internal port over HTTP; nothing is connected before the first question.

    Args:
        url: of the internal port.
        token: admitted by its admin_token_file; empty: none is needed.
        timeout_s: longest wait for an answer.
    """

    def __init__(self, url: str, token: str = "", timeout_s: float = 10.0) -> None:
        self._url = url
        self._token = token
        self._timeout_s = timeout_s
        self._opened: httpx.Client | None = None

    def ask(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """The document it answers.

        Raises:
            Refusal: it answered 404 or 409.
            UnreachableError: it does not answer, or not with what should answer there.
        """
        import httpx

        timeout_s = _LOAD_WITHIN_S if path == "/admin/load" else self._timeout_s
        try:
            answer = self._client().request(method, path, params=query, json=body, timeout=timeout_s)
        except httpx.HTTPError as error:
            raise UnreachableError(
                f"The data plane at {self._url} does not answer ({error}): check that seatrial serve or seatrial up "
                "runs, and control.data_plane_url."
            ) from error
        document = _document(answer)
        if answer.status_code in (_NOT_FOUND, _CONFLICT):
            raise Refusal(answer.status_code, str(document.get("error", answer.text[:200])))
        if answer.is_error:
            raise UnreachableError(
                f"The data plane at {self._url} refused {path} with status {answer.status_code}: "
                f"{document.get('error', answer.text[:200])}"
            )
        return document

    def close(self) -> None:
        """Closes the connection."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def _client(self) -> httpx.Client:
        import httpx

        if self._opened is None:
            headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
            # trust_env: a proxy of the environment is for the world outside, not for one's own data plane.
            self._opened = httpx.Client(base_url=self._url, headers=headers, trust_env=False)
        return self._opened


def _document(answer: httpx.Response) -> dict[str, Any]:
    try:
        document = answer.json()
    except ValueError as error:
        raise UnreadableAnswerError(
            f"{answer.url} answered {answer.text[:80]!r}, no JSON: is it the internal port of a data plane?"
        ) from error
    return document if isinstance(document, dict) else {}
