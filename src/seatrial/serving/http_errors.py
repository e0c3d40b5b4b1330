"""Which status each error gets, in every protocol: the only place that knows.

The body always has ``"error": "<sentence>"``, and nothing else except where MLflow's clients want its own words too.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from seatrial.domain.errors import (
    DeadlineExceededError,
    InferenceError,
    InvalidRequestError,
    MediaTypeError,
    ModelNotServedError,
    NotReadyError,
    OverloadedError,
    PayloadTooLargeError,
    RequestError,
    SlowRequestError,
    UnsupportedFeatureError,
)
from seatrial.domain.inference import Outcome
from seatrial.serving.asgi import Reply, json_reply

__all__ = [
    "ErrorRow",
    "documented_rows",
    "error_reply",
    "error_row",
    "error_sentence",
    "method_reply",
    "mlflow_error_reply",
    "not_loaded_reply",
    "path_reply",
    "v2_error_reply",
    "v2_statuses",
]


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """How an error class is answered and counted.

    Attributes:
        retry: whether the answer says when to come back.
        reason: label of `inference_rejected_total`; empty where the request was not turned away.
        code: name of the gRPC status; the V2 protocol's HTTP status follows from it.
    """

    status: int
    outcome: Outcome
    meaning: str
    retry: bool = False
    reason: str = ""
    code: str = "INVALID_ARGUMENT"

    @property
    def v2_status(self) -> int:
        """The HTTP status in the V2 protocol.

        Source: Triton Inference Server, docs/protocol/README.md, the one published table.
        """
        return _V2_STATUSES.get(self.code, 400)


_V2_STATUSES = {"NOT_FOUND": 404, "INTERNAL": 500, "UNIMPLEMENTED": 501, "UNAVAILABLE": 503}

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
    ModelNotServedError: ErrorRow(404, Outcome.INVALID, "No such model is served.", code="NOT_FOUND"),
    SlowRequestError: ErrorRow(408, Outcome.INVALID, "The body did not arrive in time."),
    PayloadTooLargeError: ErrorRow(413, Outcome.INVALID, "The body, a text or the number of texts is over a limit."),
    MediaTypeError: ErrorRow(415, Outcome.INVALID, "The body is not of a type that is read here."),
    InferenceError: ErrorRow(500, Outcome.ERROR, "The engine failed.", code="INTERNAL"),
    UnsupportedFeatureError: ErrorRow(
        501, Outcome.INVALID, "A part of the protocol that is not offered.", code="UNIMPLEMENTED"
    ),
    OverloadedError: ErrorRow(
        503, Outcome.REJECTED, "Too many texts wait.", retry=True, reason="queue_full", code="UNAVAILABLE"
    ),
    NotReadyError: ErrorRow(
        503, Outcome.REJECTED, "Starting up or shutting down.", retry=True, reason="not_ready", code="UNAVAILABLE"
    ),
    DeadlineExceededError: ErrorRow(504, Outcome.EXPIRED, "No engine was free in time.", code="UNAVAILABLE"),
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
    """What each status means, for the API's description of /predict and of MLflow's protocol."""
    return _meanings((row.status, row.meaning) for kind, row in _ROWS.items() if kind is not UnsupportedFeatureError)


def v2_statuses() -> dict[int, str]:
    """The same for the V2 protocol."""
    return _meanings((row.v2_status, row.meaning) for row in _ROWS.values())


def _meanings(rows: Iterable[tuple[int, str]]) -> dict[int, str]:
    meanings: dict[int, str] = {}
    for status, meaning in rows:
        meanings[status] = f"{meanings[status]} {meaning}" if status in meanings else meaning
    return dict(sorted(meanings.items()))


def error_sentence(error: Exception) -> str:
    """What a client is told.

    Only errors raised on purpose speak for themselves; the words of any other could tell a stranger about our insides.
    """
    return str(error) if isinstance(error, RequestError) else "The server failed on this request: its log says why."


def error_reply(error: Exception) -> Reply:
    """The answer to a request that ended in this error."""
    row = error_row(type(error))
    return json_reply(row.status, {"error": error_sentence(error)}, *_retry_after(row, error))


def v2_error_reply(error: Exception) -> Reply:
    """The same in the V2 protocol."""
    row = error_row(type(error))
    return json_reply(row.v2_status, {"error": error_sentence(error)}, *_retry_after(row, error))


def mlflow_error_reply(error: Exception) -> Reply:
    """The same for MLflow's clients, which read `error_code` and `message`."""
    row = error_row(type(error))
    sentence = error_sentence(error)
    document = {
        "error_code": _MLFLOW_CODES.get(row.status, "BAD_REQUEST"),
        "message": sentence,
        "error": sentence,
    }
    return json_reply(row.status, document, *_retry_after(row, error))


def not_loaded_reply() -> Reply:
    """What MLflow's probe is told before a model is loaded."""
    sentence = "Nothing is loaded yet: retry in a few seconds."
    return json_reply(404, {"error_code": _MLFLOW_CODES[404], "message": sentence, "error": sentence})


def _retry_after(row: ErrorRow, error: Exception) -> tuple[tuple[str, str], ...]:
    return (("retry-after", str(math.ceil(getattr(error, "retry_after_s", 1.0)))),) if row.retry else ()


def path_reply(path: str) -> Reply:
    """The answer to a path that does not exist."""
    return json_reply(404, {"error": f"There is no {path[:200]} here: POST texts to /predict, or read /openapi.json."})


def method_reply(method: str, allow: str) -> Reply:
    """The answer to a method that the path does not take."""
    return json_reply(405, {"error": f"{method} is not possible here: use {allow}."}, ("allow", allow))
