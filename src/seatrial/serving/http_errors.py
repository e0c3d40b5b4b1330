"""Which HTTP status each error gets: the only place that knows. The body is always ``{"error": "<sentence>"}``."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from seatrial.domain.errors import (
    ConfigError,
    DeadlineExceededError,
    DependencyError,
    HeadersTooLargeError,
    InferenceError,
    InvalidRequestError,
    JournalUnavailableError,
    MediaTypeError,
    ModelError,
    ModelNotServedError,
    NotReadyError,
    OverloadedError,
    PayloadTooLargeError,
    RateLimitedError,
    RefusedArtifactError,
    ReleaseNotCountedError,
    RequestError,
    SlowRequestError,
    TooManyConnectionsError,
    TrafficConflictError,
    UnauthenticatedError,
    UnknownArtifactError,
    UnknownModelError,
    UnknownVersionError,
    VersionInUseError,
)
from seatrial.domain.inference import Outcome
from seatrial.serving.asgi import Reply, json_reply

__all__ = [
    "ErrorRow",
    "admin_error_reply",
    "documented_rows",
    "error_reply",
    "error_row",
    "feedback_rows",
    "method_reply",
    "path_reply",
]


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """How an error class is answered and counted.

    Attributes:
        retry: whether the answer says when to come back.
        reason: label of `inference_rejected_total`; empty where the request was not turned away.
        headers: what the answer must say besides.
    """

    status: int
    outcome: Outcome
    meaning: str
    retry: bool = False
    reason: str = ""
    headers: tuple[tuple[str, str], ...] = ()


_ROWS: dict[type[RequestError], ErrorRow] = {
    InvalidRequestError: ErrorRow(400, Outcome.INVALID, "The request is malformed."),
    UnauthenticatedError: ErrorRow(
        401, Outcome.INVALID, "No key, or one that is not known.",
        reason="unauthenticated", headers=(("www-authenticate", 'Bearer realm="seatrial"'),),
    ),
    ModelNotServedError: ErrorRow(404, Outcome.INVALID, "No such model is served."),
    SlowRequestError: ErrorRow(408, Outcome.INVALID, "Headers or body did not arrive in time.", reason="slow_request"),
    VersionInUseError: ErrorRow(409, Outcome.INVALID, "The version still has its model's traffic."),
    PayloadTooLargeError: ErrorRow(413, Outcome.INVALID, "The body, a text or the number of texts is over a limit."),
    MediaTypeError: ErrorRow(415, Outcome.INVALID, "The body is not JSON, plain or compressed with gzip or zstd."),
    RateLimitedError: ErrorRow(
        429, Outcome.REJECTED, "The key has used up its requests for now.", retry=True, reason="rate_limited"
    ),
    HeadersTooLargeError: ErrorRow(
        431, Outcome.INVALID, "Request line and headers are over the limit.", reason="headers_too_large"
    ),
    InferenceError: ErrorRow(500, Outcome.ERROR, "The engine failed."),
    OverloadedError: ErrorRow(503, Outcome.REJECTED, "Too many texts wait.", retry=True, reason="queue_full"),
    TooManyConnectionsError: ErrorRow(
        503, Outcome.REJECTED, "Too many connections are open.", retry=True, reason="connections"
    ),
    NotReadyError: ErrorRow(503, Outcome.REJECTED, "Starting up or shutting down.", retry=True, reason="not_ready"),
    JournalUnavailableError: ErrorRow(503, Outcome.REJECTED, "Feedback cannot be kept now.", retry=True),
    DeadlineExceededError: ErrorRow(504, Outcome.EXPIRED, "No engine was free in time."),
}  # fmt: skip


_ADMIN_STATUSES: dict[type, int] = {
    ConfigError: 400,
    UnknownModelError: 404,
    UnknownVersionError: 404,
    UnknownArtifactError: 404,
    ReleaseNotCountedError: 404,
    RefusedArtifactError: 409,
    TrafficConflictError: 409,
    ModelError: 422,
    DependencyError: 503,
}
"""Of what loading a version or an order about traffic can end in, besides the errors of requests."""


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
    others = (JournalUnavailableError, VersionInUseError)
    return _meanings([row for kind, row in _ROWS.items() if kind not in others])


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
    retry = (("retry-after", str(retry_after_s)),) if row.retry else ()
    return json_reply(row.status, {"error": sentence}, *row.headers, *retry)


def admin_error_reply(error: Exception) -> Reply:
    """The answer to a request of the internal port, whose readers may know more: our errors speak for themselves."""
    for ancestor in type(error).__mro__:
        if ancestor in _ADMIN_STATUSES:
            return json_reply(_ADMIN_STATUSES[ancestor], {"error": str(error)})
    return error_reply(error)


def path_reply(path: str, what_next: str = "POST texts to /predict, or read /openapi.json") -> Reply:
    """The answer to a path that does not exist."""
    return json_reply(404, {"error": f"There is no {path[:200]} here: {what_next}."})


def method_reply(method: str, allow: str) -> Reply:
    """The answer to a method that the path does not take."""
    return json_reply(405, {"error": f"{method} is not possible here: use {allow}."}, ("allow", allow))
