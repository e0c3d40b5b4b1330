"""The one table from errors to HTTP."""

from __future__ import annotations

import json

import pytest

from seatrial.domain import errors
from seatrial.domain.errors import OverloadedError, RequestError, UnauthenticatedError
from seatrial.domain.inference import Outcome
from seatrial.serving.http_errors import (
    admin_error_reply,
    documented_rows,
    error_reply,
    error_row,
    feedback_rows,
    method_reply,
    mlflow_error_reply,
    path_reply,
    v2_admin_error_reply,
    v2_error_reply,
    v2_statuses,
)

STATUSES = {
    "InvalidRequestError": 400,
    "UnauthenticatedError": 401,
    "ModelNotServedError": 404,
    "SlowRequestError": 408,
    "PayloadTooLargeError": 413,
    "MediaTypeError": 415,
    "VersionInUseError": 409,
    "RateLimitedError": 429,
    "HeadersTooLargeError": 431,
    "InferenceError": 500,
    "UnsupportedFeatureError": 501,
    "OverloadedError": 503,
    "JournalUnavailableError": 503,
    "NotReadyError": 503,
    "TooManyConnectionsError": 503,
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
    assert (row.outcome is Outcome.INVALID) == (row.status not in {429, 500, 503, 504})
    assert (row.outcome is Outcome.ERROR) == (row.status == 500)


def test_an_overload_says_when_to_come_back_in_whole_seconds() -> None:
    reply = error_reply(OverloadedError("Full.", 2.3))
    assert (reply.status, reply.headers) == (503, (("retry-after", "3"),))
    assert json.loads(reply.body) == {"error": "Full."}


def test_who_has_no_key_is_told_how_to_show_one() -> None:
    assert error_reply(UnauthenticatedError("No.")).headers == (("www-authenticate", 'Bearer realm="seatrial"'),)


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
    of_admin_alone, of_v2_alone = {409}, {501}
    assert sorted(documented_rows()) == sorted(set(STATUSES.values()) - of_admin_alone - of_v2_alone)
    assert sorted(v2_statuses()) == [400, 401, 404, 408, 413, 415, 429, 431, 500, 501, 503]


@pytest.mark.parametrize("kind", kinds())
def test_the_v2_protocol_has_tritons_statuses(kind: type[RequestError]) -> None:
    row = error_row(kind)
    as_in_http = {401, 404, 429, 500, 501, 503}
    assert row.v2_status == (row.status if row.status in as_in_http else 503 if row.status == 504 else 400)


def test_each_protocol_words_an_error_for_its_clients() -> None:
    full = OverloadedError("Full.", 2.3)
    reply = v2_error_reply(full)
    assert (reply.status, reply.headers, json.loads(reply.body)) == (503, (("retry-after", "3"),), {"error": "Full."})
    reply = mlflow_error_reply(full)
    assert (reply.status, reply.headers) == (503, (("retry-after", "3"),))
    assert json.loads(reply.body) == {"error_code": "TEMPORARILY_UNAVAILABLE", "message": "Full.", "error": "Full."}
    for word in (v2_error_reply, mlflow_error_reply, v2_admin_error_reply):
        assert b"secret" not in word(ZeroDivisionError("secret")).body
    assert v2_admin_error_reply(errors.UnknownVersionError("No tiny@9.")).status == 404
    assert v2_admin_error_reply(errors.VersionInUseError("It has traffic.")).status == 400


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.UsageError("tiny@x: give a number."), 400),
        (errors.UnknownVersionError("No tiny@9."), 404),
        (errors.UnknownModelError("No giant."), 404),
        (errors.UnknownArtifactError("No onnx-int8."), 404),
        (errors.RefusedArtifactError("Its findings forbid it."), 409),
        (errors.VersionInUseError("It has traffic."), 409),
        (errors.BundleAlteredError("It was altered."), 422),
        (errors.UnsupportedModelError("Not that one."), 422),
        (errors.MissingExtraError("torch", "train"), 503),
        (errors.NotReadyError("Loading."), 503),
    ],
)
def test_the_internal_port_says_why_a_version_cannot_be_loaded(error: Exception, status: int) -> None:
    reply = admin_error_reply(error)
    assert (reply.status, json.loads(reply.body)) == (status, {"error": str(error)})


def test_what_nobody_foresaw_keeps_its_words_on_the_internal_port_too() -> None:
    reply = admin_error_reply(ZeroDivisionError("secret"))
    assert reply.status == 500
    assert b"secret" not in reply.body


def test_feedback_documents_its_own_statuses() -> None:
    assert sorted(feedback_rows()) == [400, 408, 413, 415, 503]
