"""The one table from errors to HTTP."""

from __future__ import annotations

import json

import pytest

from seatrial.domain import errors
from seatrial.domain.errors import OverloadedError, RequestError
from seatrial.domain.inference import Outcome
from seatrial.serving.http_errors import (
    documented_rows,
    error_reply,
    error_row,
    method_reply,
    mlflow_error_reply,
    path_reply,
    v2_error_reply,
    v2_statuses,
)

STATUSES = {
    "InvalidRequestError": 400,
    "ModelNotServedError": 404,
    "SlowRequestError": 408,
    "PayloadTooLargeError": 413,
    "MediaTypeError": 415,
    "VersionInUseError": 400,
    "InferenceError": 500,
    "UnsupportedFeatureError": 501,
    "OverloadedError": 503,
    "NotReadyError": 503,
    "DeadlineExceededError": 504,
}


def kinds() -> list[type[RequestError]]:
    found = [getattr(errors, name) for name in errors.__all__]
    return [kind for kind in found if issubclass(kind, RequestError) and kind is not RequestError]


@pytest.mark.parametrize("kind", kinds())
def test_every_request_error_has_its_status(kind: type[RequestError]) -> None:
    assert error_row(kind).status == STATUSES[kind.__name__]


@pytest.mark.parametrize("kind", kinds())
def test_only_our_own_faults_count_as_errors(kind: type[RequestError]) -> None:
    row = error_row(kind)
    assert (row.outcome is Outcome.INVALID) == (400 <= row.status < 500 or row.status == 501)
    assert (row.outcome is Outcome.ERROR) == (row.status == 500)


def test_an_overload_says_when_to_come_back_in_whole_seconds() -> None:
    reply = error_reply(OverloadedError("Full.", 2.3))
    assert (reply.status, reply.headers) == (503, (("retry-after", "3"),))
    assert json.loads(reply.body) == {"error": "Full."}


def test_what_nobody_foresaw_keeps_its_words_to_itself() -> None:
    reply = error_reply(ZeroDivisionError("/home/ann/secret.py"))
    assert reply.status == 500
    assert list(json.loads(reply.body)) == ["error"]
    assert b"secret" not in reply.body


def test_paths_and_methods_that_are_not_there() -> None:
    assert path_reply("/x" * 5000).status == 404
    assert len(path_reply("/x" * 5000).body) < 400
    assert (method_reply("GET", "POST").status, method_reply("GET", "POST").headers) == (405, (("allow", "POST"),))


def test_the_documented_statuses_are_the_table() -> None:
    assert sorted(documented_rows()) == sorted(set(STATUSES.values()) - {501})
    assert sorted(v2_statuses()) == [400, 404, 500, 501, 503]


@pytest.mark.parametrize("kind", kinds())
def test_the_v2_protocol_has_tritons_statuses(kind: type[RequestError]) -> None:
    row = error_row(kind)
    assert row.v2_status == {"NOT_FOUND": 404, "INTERNAL": 500, "UNIMPLEMENTED": 501, "UNAVAILABLE": 503}.get(
        row.code, 400
    )
    assert (row.v2_status == 400) == (row.status in {400, 408, 409, 413, 415})


def test_each_protocol_words_an_error_for_its_clients() -> None:
    full = OverloadedError("Full.", 2.3)
    reply = v2_error_reply(full)
    assert (reply.status, reply.headers, json.loads(reply.body)) == (503, (("retry-after", "3"),), {"error": "Full."})
    reply = mlflow_error_reply(full)
    assert (reply.status, reply.headers) == (503, (("retry-after", "3"),))
    assert json.loads(reply.body) == {"error_code": "TEMPORARILY_UNAVAILABLE", "message": "Full.", "error": "Full."}
    assert b"secret" not in v2_error_reply(ZeroDivisionError("secret")).body
    assert b"secret" not in mlflow_error_reply(ZeroDivisionError("secret")).body
