"""Which status each error gets, in every protocol of both planes: the only place that knows.

The body always has ``"error": "<sentence>"``, and nothing else except where MLflow's clients want its own words too.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from seatrial.domain.errors import (
    ConfigError,
    DeadlineExceededError,
    DependencyError,
    HeadersTooLargeError,
    InferenceError,
    InvalidRequestError,
    JournalUnavailableError,
    LedgerConflictError,
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
    RoleError,
    SeatrialError,
    SlowRequestError,
    TooManyConnectionsError,
    TrafficConflictError,
    UnauthenticatedError,
    UnknownArtifactError,
    UnknownExperimentError,
    UnknownModelError,
    UnknownReleaseError,
    UnknownVersionError,
    UnsupportedFeatureError,
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
    "error_sentence",
    "feedback_rows",
    "method_reply",
    "mlflow_error_reply",
    "not_loaded_reply",
    "path_reply",
    "status_of",
    "v2_admin_error_reply",
    "v2_error_reply",
    "v2_statuses",
]


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """How an error class is answered and counted.

    Attributes:
        retry: whether the answer says when to come back.
        reason: label of `inference_rejected_total`; empty where the request was not turned away.
        headers: what the answer must say besides.
        code: name of the gRPC status; the V2 protocol's HTTP status follows from it.
    """

    status: int
    outcome: Outcome
    meaning: str
    retry: bool = False
    reason: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    code: str = "INVALID_ARGUMENT"

    @property
    def v2_status(self) -> int:
        """The HTTP status in the V2 protocol.

        Source: Triton Inference Server, docs/protocol/README.md, the one published table.
        """
        return _V2_STATUSES.get(self.code, 400)


_V2_STATUSES = {
    "UNAUTHENTICATED": 401,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
    "INTERNAL": 500,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 503,
}

_MLFLOW_CODES = {
    404: "RESOURCE_DOES_NOT_EXIST",
    500: "INTERNAL_ERROR",
    501: "NOT_IMPLEMENTED",
    503: "TEMPORARILY_UNAVAILABLE",
    504: "TEMPORARILY_UNAVAILABLE",
}
"""MLflow's own names (mlflow.protos.databricks_pb2.ErrorCode); BAD_REQUEST for the rest."""


_ROWS: dict[type[RequestError], ErrorRow] = {
    InvalidRequestError: ErrorRow(400, Outcome.INVALID, "The request is malformed."),
    UnauthenticatedError: ErrorRow(
        401, Outcome.INVALID, "No key, or one that is not known.",
        reason="unauthenticated", headers=(("www-authenticate", 'Bearer realm="seatrial"'),), code="UNAUTHENTICATED",
    ),
    ModelNotServedError: ErrorRow(404, Outcome.INVALID, "No such model is served.", code="NOT_FOUND"),
    SlowRequestError: ErrorRow(408, Outcome.INVALID, "Headers or body did not arrive in time.", reason="slow_request"),
    VersionInUseError: ErrorRow(409, Outcome.INVALID, "The version still has its model's traffic."),
    PayloadTooLargeError: ErrorRow(413, Outcome.INVALID, "The body, a text or the number of texts is over a limit."),
    MediaTypeError: ErrorRow(415, Outcome.INVALID, "The body is not JSON, plain or compressed with gzip or zstd."),
    RateLimitedError: ErrorRow(
        429, Outcome.REJECTED, "The key has used up its requests for now.",
        retry=True, reason="rate_limited", code="RESOURCE_EXHAUSTED",
    ),
    HeadersTooLargeError: ErrorRow(
        431, Outcome.INVALID, "Request line and headers are over the limit.", reason="headers_too_large"
    ),
    InferenceError: ErrorRow(500, Outcome.ERROR, "The engine failed.", code="INTERNAL"),
    UnsupportedFeatureError: ErrorRow(
        501, Outcome.INVALID, "A part of the protocol that is not offered.", code="UNIMPLEMENTED"
    ),
    OverloadedError: ErrorRow(
        503, Outcome.REJECTED, "Too many texts wait.", retry=True, reason="queue_full", code="UNAVAILABLE"
    ),
    TooManyConnectionsError: ErrorRow(
        503, Outcome.REJECTED, "Too many connections are open.", retry=True, reason="connections", code="UNAVAILABLE"
    ),
    NotReadyError: ErrorRow(
        503, Outcome.REJECTED, "Starting up or shutting down.", retry=True, reason="not_ready", code="UNAVAILABLE"
    ),
    JournalUnavailableError: ErrorRow(
        503, Outcome.REJECTED, "Feedback cannot be kept now.", retry=True, code="UNAVAILABLE"
    ),
    DeadlineExceededError: ErrorRow(504, Outcome.EXPIRED, "No engine was free in time.", code="DEADLINE_EXCEEDED"),
}  # fmt: skip


_ADMIN_STATUSES: dict[type, int] = {
    ConfigError: 400,
    RoleError: 403,
    UnknownReleaseError: 404,
    UnknownExperimentError: 404,
    UnknownModelError: 404,
    UnknownVersionError: 404,
    UnknownArtifactError: 404,
    ReleaseNotCountedError: 404,
    RefusedArtifactError: 409,
    TrafficConflictError: 409,
    LedgerConflictError: 409,
    ModelError: 422,
    DependencyError: 503,
}
"""Of what loading a version, an order about traffic or an act of a person can end in, errors of requests aside."""


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
    """What each status that /predict and MLflow's protocol may answer means, for the API's description."""
    others = (JournalUnavailableError, UnsupportedFeatureError, VersionInUseError)
    return _meanings([row for kind, row in _ROWS.items() if kind not in others])


def v2_statuses() -> dict[int, str]:
    """The same for the V2 protocol; what is refused before its body is read has the statuses of HTTP."""
    before = (SlowRequestError, PayloadTooLargeError, MediaTypeError, HeadersTooLargeError)
    others = (JournalUnavailableError, VersionInUseError)
    rows = {kind: row for kind, row in _ROWS.items() if kind not in others}
    return _meanings(
        [*(replace(row, status=row.v2_status) for row in rows.values()), *(_ROWS[kind] for kind in before)]
    )


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


def error_sentence(error: Exception) -> str:
    """What a client is told.

    Only errors raised on purpose speak for themselves; the words of any other could tell a stranger about our insides.
    """
    return str(error) if isinstance(error, RequestError) else "The server failed on this request: its log says why."


def error_reply(error: Exception) -> Reply:
    """The answer to a request that ended in this error."""
    row = error_row(type(error))
    return json_reply(row.status, {"error": error_sentence(error)}, *_headers(row, error))


def v2_error_reply(error: Exception) -> Reply:
    """The same in the V2 protocol."""
    row = error_row(type(error))
    return json_reply(row.v2_status, {"error": error_sentence(error)}, *_headers(row, error))


def mlflow_error_reply(error: Exception) -> Reply:
    """The same for MLflow's clients, which read `error_code` and `message`."""
    row = error_row(type(error))
    code = _MLFLOW_CODES.get(row.status, "BAD_REQUEST")
    return _mlflow_reply(row.status, code, error_sentence(error), *_headers(row, error))


def not_loaded_reply() -> Reply:
    """What MLflow's probe is told before a model is loaded."""
    return _mlflow_reply(404, _MLFLOW_CODES[404], "Nothing is loaded yet: retry in a few seconds.")


def _mlflow_reply(status: int, code: str, sentence: str, *headers: tuple[str, str]) -> Reply:
    return json_reply(status, {"error_code": code, "message": sentence, "error": sentence}, *headers)


def _headers(row: ErrorRow, error: Exception) -> tuple[tuple[str, str], ...]:
    if not row.retry:
        return row.headers
    return (*row.headers, ("retry-after", str(math.ceil(getattr(error, "retry_after_s", 1.0)))))


def v2_admin_error_reply(error: Exception) -> Reply:
    """The answer to a request of V2's repository extension, on the internal port: Triton's statuses, our sentence."""
    if isinstance(error, RequestError) or not isinstance(error, SeatrialError):
        return v2_error_reply(error)
    status = admin_error_reply(error).status
    return json_reply(status if status in (404, 503) else 400, {"error": str(error)})


def admin_error_reply(error: Exception) -> Reply:
    """The answer to a request of the internal port, whose readers may know more: our errors speak for themselves."""
    status = _admin_status(type(error))
    return error_reply(error) if status is None else json_reply(status, {"error": str(error)})


def status_of(kind: type[Exception]) -> int:
    """The status of an error class where its own sentence may be told: on the internal port and the control plane.

    Example:
        >>> status_of(UnknownModelError), status_of(UnauthenticatedError), status_of(ZeroDivisionError)
        (404, 401, 500)
    """
    return _admin_status(kind) or error_row(kind).status


def _admin_status(kind: type[Exception]) -> int | None:
    return next((_ADMIN_STATUSES[ancestor] for ancestor in kind.__mro__ if ancestor in _ADMIN_STATUSES), None)


def path_reply(path: str, what_next: str = "POST texts to /predict, or read /openapi.json") -> Reply:
    """The answer to a path that does not exist."""
    return json_reply(404, {"error": f"There is no {path[:200]} here: {what_next}."})


def method_reply(method: str, allow: str) -> Reply:
    """The answer to a method that the path does not take."""
    return json_reply(405, {"error": f"{method} is not possible here: use {allow}."}, ("allow", allow))
