"""The webhook: signed messages to one address."""

from __future__ import annotations

from collections.abc import Sequence

from seatrial.notifications.notices import Notice
from seatrial.notifications.posting import Post
from seatrial.notifications.signing import signed_headers

__all__ = ["Webhook"]


class Webhook:
    """An address whose owner shares a secret with us.

    Args:
        keys: each signs; a receiver that knows one of them is content.
    """

    def __init__(self, post: Post, keys: Sequence[bytes]) -> None:
        self._post = post
        self._keys = tuple(keys)

    @property
    def shown(self) -> str:
        """The address without what may be secret."""
        return self._post.shown

    def send(self, notice: Notice, now_s: float) -> None:
        """Sends a message, signed for this attempt.

        Raises:
            NotTakenError: the answer is not of the 2xx.
            UnreachableError: there is no answer.
        """
        body = notice.body()
        self._post.send(body, signed_headers(self._keys, notice.notice_id, int(now_s), body))

    def close(self) -> None:
        """Closes the connection."""
        self._post.close()
