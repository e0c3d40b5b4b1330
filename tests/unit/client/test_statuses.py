"""The client reads statuses as the server writes them."""

from __future__ import annotations

import pytest

from seatrial.client.exchange import Repeat, Reply
from seatrial.client.statuses import failure_of
from seatrial.domain import errors
from seatrial.domain.errors import (
    InvalidRequestError,
    OverloadedError,
    PayloadTooLargeError,
    RateLimitedError,
    RequestError,
    UnauthenticatedError,
    UnreachableError,
    UnreadableAnswerError,
)
from seatrial.serving.http_errors import error_reply, error_row


def kinds() -> list[type[RequestError]]:
    found = [getattr(errors, name) for name in errors.__all__]
    return [kind for kind in found if issubclass(kind, RequestError) and kind is not RequestError]


@pytest.mark.parametrize("kind", kinds())
def test_an_error_goes_through_http_and_comes_out_as_itself(kind: type[RequestError]) -> None:
    """Where several kinds share a status, or ask to come back, one stands for all; or an ancestor does."""
    try:
        raised = kind("Say why.")
    except TypeError:  # the kinds that say when to come back
        raised = kind("Say why.", 2.0)
    reply = error_reply(raised)
    heard = failure_of(Reply(reply.status, dict(reply.headers), reply.body))
    assert str(heard.error) == "Say why."
    row = error_row(kind)
    if row.retry:
        assert type(heard.error) in (OverloadedError, RateLimitedError)
    else:
        assert isinstance(raised, type(heard.error)) or error_row(type(heard.error)).status == row.status


@pytest.mark.parametrize(
    ("status", "headers", "kind", "repeat"),
    [
        (503, {"retry-after": "2"}, OverloadedError, Repeat.ALWAYS),
        (503, {}, OverloadedError, Repeat.WHERE_HARMLESS),
        (503, {"retry-after": "Wed, 25 Nov 2026 07:28:00 GMT"}, OverloadedError, Repeat.WHERE_HARMLESS),
        (429, {}, RateLimitedError, Repeat.ALWAYS),
        (502, {}, UnreachableError, Repeat.WHERE_HARMLESS),
        (504, {}, errors.DeadlineExceededError, Repeat.NEVER),
        (500, {}, errors.InferenceError, Repeat.NEVER),
        (413, {}, PayloadTooLargeError, Repeat.NEVER),
        (400, {}, InvalidRequestError, Repeat.NEVER),
        (401, {}, UnauthenticatedError, Repeat.NEVER),
        (422, {}, RequestError, Repeat.NEVER),
        (302, {}, UnreadableAnswerError, Repeat.NEVER),
        (520, {}, UnreadableAnswerError, Repeat.NEVER),
    ],
)
def test_what_may_be_repeated(status: int, headers: dict[str, str], kind: type[Exception], repeat: Repeat) -> None:
    failure = failure_of(Reply(status, headers, b'{"error": "No."}'))
    assert type(failure.error) is kind
    assert failure.repeat is repeat


def test_an_overload_says_when_to_come_back() -> None:
    failure = failure_of(Reply(503, {"retry-after": "7"}, b""))
    assert isinstance(failure.error, OverloadedError)
    assert (failure.error.retry_after_s, failure.retry_after_s) == (7.0, 7.0)


@pytest.mark.parametrize("body", [b"", b"<html>nginx</html>", b"[]", b'{"error": 3}', b"\xff", b"[" * 100_000])
def test_a_stranger_answers(body: bytes) -> None:
    words = str(failure_of(Reply(404, {}, body)).error)
    assert words.startswith("HTTP status 404 without a reason")
    assert words.endswith("check that the address is that of a Seatrial data plane.")
    assert len(words) < 700
