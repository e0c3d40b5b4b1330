"""Which HTTP status each error gets: the only place that knows. The body is always ``{"error": "<sentence>"}``."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from seatrial.domain.errors import (
    DeadlineExceededError,
    InferenceError,
    InvalidRequestError,
    JournalUnavailableError,
    MediaTypeError,
    ModelNotServedError,
    NotReadyError,
    OverloadedError,
    PayloadTooLargeError,
    RequestError,
    SlowRequestError,
)
from seatrial.domain.inference import Outcome
from seatrial.serving.asgi import Reply, json_reply

__all__ = ["ErrorRow", "documented_rows", "error_reply", "error_row", "feedback_rows", "method_reply", "path_reply"]


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """How an error class is answered and counted.

    Attributes:
        retry: whether the answer says when to come back.
        reason: label of `inference_rejected_total`; empty where the request was not turned away.
    """

    status: int
    outcome: Outcome
    meaning: str
    retry: bool = False
    reason: str = ""


_ROWS: dict[type[RequestError], ErrorRow] = {
    InvalidRequestError: ErrorRow(400, Outcome.INVALID, "The request is malformed."),
    ModelNotServedError: ErrorRow(404, Outcome.INVALID, "No such model is served."),
    SlowRequestError: ErrorRow(408, Outcome.INVALID, "The body did not arrive in time."),
    PayloadTooLargeError: ErrorRow(413, Outcome.INVALID, "The body, a text or the number of texts is over a limit."),
    MediaTypeError: ErrorRow(415, Outcome.INVALID, "The body is not plain JSON."),
    InferenceError: ErrorRow(500, Outcome.ERROR, "The engine failed."),
    OverloadedError: ErrorRow(503, Outcome.REJECTED, "Too many texts wait.", retry=True, reason="queue_full"),
    NotReadyError: ErrorRow(503, Outcome.REJECTED, "Starting up or shutting down.", retry=True, reason="not_ready"),
    JournalUnavailableError: ErrorRow(503, Outcome.REJECTED, "Feedback cannot be kept now.", retry=True),
    DeadlineExceededError: ErrorRow(504, Outcome.EXPIRED, "No engine was free in time."),
}


def error_row(kind: type[Exception]) -> ErrorRow:
    """The row of an error class: its own or its nearest ancestor's; the engine's for what nobody foresaw.

    Example:
        >>> error_row(PayloadTooLargeError).status, error_row(ZeroDivisionError).status
        (413, 500)
    """
    for ancestor in kind.__mro__:
        if ancestor in _ROWS:
            return _ROWS[ancestor]
    return _ROWS[InferenceError]


def documented_rows() -> dict[int, str]:
    """What each status that /predict may answer means, for the API's description."""
    return _meanings([row for kind, row in _ROWS.items() if kind is not JournalUnavailableError])


def feedback_rows() -> dict[int, str]:
    """The same for /feedback."""
    kinds = (
        InvalidRequestError, SlowRequestError, PayloadTooLargeError, MediaTypeError, JournalUnavailableError,
        NotReadyError,
    )  # fmt: skip
    return _meanings([_ROWS[kind] for kind in kinds])


def _meanings(rows: Iterable[ErrorRow]) -> dict[int, str]:
    meanings: dict[int, str] = {}
    for row in rows:
        meanings[row.status] = f"{meanings[row.status]} {row.meaning}" if row.status in meanings else row.meaning
    return dict(sorted(meanings.items()))


def error_reply(error: Exception) -> Reply:
    """The answer to a request that ended in this error.

    Only errors raised on purpose speak for themselves; the words of any other could tell a stranger about our insides.
    """
    row = error_row(type(error))
    foreseen = isinstance(error, RequestError)
    sentence = str(error) if foreseen else "The server failed on this request: its log says why."
    retry_after_s = math.ceil(getattr(error, "retry_after_s", 1.0))
    headers = (("retry-after", str(retry_after_s)),) if row.retry else ()
    return json_reply(row.status, {"error": sentence}, *headers)


def path_reply(path: str) -> Reply:
    """The answer to a path that does not exist."""
    return json_reply(404, {"error": f"There is no {path[:200]} here: POST texts to /predict, or read /openapi.json."})


def method_reply(method: str, allow: str) -> Reply:
    """The answer to a method that the path does not take."""
    return json_reply(405, {"error": f"{method} is not possible here: use {allow}."}, ("allow", allow))
