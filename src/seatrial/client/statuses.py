"""What an HTTP status says to a client: the reverse of ``serving/http_errors.py``, and a test holds the two together.

The error a client raises is the one the server met: one tree for both sides, so that `except OverloadedError` means
the same in a program that serves and in one that asks. What never reached a server has kinds of its own
(`UnreachableError`, `AnswerLostError`, `UnreadableAnswerError`).
"""

from __future__ import annotations

import json

from seatrial.client.exchange import Failure, Repeat, Reply
from seatrial.domain.errors import (
    DeadlineExceededError,
    HeadersTooLargeError,
    InferenceError,
    InvalidRequestError,
    MediaTypeError,
    ModelNotServedError,
    OverloadedError,
    PayloadTooLargeError,
    RateLimitedError,
    RequestError,
    SeatrialError,
    SlowRequestError,
    UnauthenticatedError,
    UnreachableError,
    UnreadableAnswerError,
    UnsupportedFeatureError,
)

__all__ = ["failure_of"]

_KINDS: dict[int, type[SeatrialError]] = {
    400: InvalidRequestError,
    401: UnauthenticatedError,
    404: ModelNotServedError,
    408: SlowRequestError,
    413: PayloadTooLargeError,
    415: MediaTypeError,
    431: HeadersTooLargeError,
    500: InferenceError,
    501: UnsupportedFeatureError,
    504: DeadlineExceededError,
}
_GATEWAY_LOST_THE_SERVER = 502
_TURNED_AWAY: dict[int, type[OverloadedError | RateLimitedError]] = {429: RateLimitedError, 503: OverloadedError}
_DEFAULT_RETRY_AFTER_S = 1.0
_MOST_WORDS = 500


def failure_of(reply: Reply) -> Failure:
    """The failure that a reply which is not good stands for, in the server's own words.

    Example:
        >>> failure_of(Reply(404, {}, b'{"error": "No model is served."}')).error
        ModelNotServedError('No model is served.')
    """
    words = _words(reply)
    if reply.status in _TURNED_AWAY:
        asked_s = _seconds(reply.headers.get("retry-after", ""))
        sure = asked_s is not None or reply.status != 503  # a 503 without the header may be a gateway's
        retry_after_s = _DEFAULT_RETRY_AFTER_S if asked_s is None else asked_s
        repeat = Repeat.ALWAYS if sure else Repeat.WHERE_HARMLESS
        return Failure(_TURNED_AWAY[reply.status](words, retry_after_s), repeat, asked_s or 0.0)
    if reply.status == _GATEWAY_LOST_THE_SERVER:
        return Failure(UnreachableError(words), Repeat.WHERE_HARMLESS)
    if reply.status in _KINDS:
        return Failure(_KINDS[reply.status](words))
    return Failure(RequestError(words) if 400 <= reply.status < 500 else UnreadableAnswerError(words))


def _words(reply: Reply) -> str:
    try:
        document = json.loads(reply.body)
        sentence = document["error"]
    except (ValueError, TypeError, KeyError, RecursionError):
        sentence = None
    if isinstance(sentence, str) and sentence:
        return sentence
    started = reply.body[:_MOST_WORDS].decode("utf-8", "replace").strip()
    return (
        f"HTTP status {reply.status} without a reason{f' ({started})' if started else ''}: "
        "check that the address is that of a Seatrial data plane."
    )


def _seconds(retry_after: str) -> float | None:
    """Retry-After in seconds; its other form, a date, is read as if it were not there.

    Source: RFC 9110, section 10.2.3.
    """
    return float(retry_after) if retry_after.isascii() and retry_after.isdecimal() else None
