"""The strict reading of request bodies."""

from __future__ import annotations

import pytest

from seatrial.domain.errors import InvalidRequestError, MediaTypeError
from seatrial.serving.wire import (
    ErrorBody,
    PredictRequest,
    PredictResponse,
    check_media_type,
    parse_request,
    schema_of,
)
from tests.data_plane import BAD_BODIES


@pytest.mark.parametrize("what", BAD_BODIES)
def test_what_is_no_request_is_refused_with_a_sentence(what: str) -> None:
    with pytest.raises(InvalidRequestError) as refusal:
        parse_request(BAD_BODIES[what])
    assert len(str(refusal.value)) < 300


def test_the_place_of_a_mistake_is_named() -> None:
    with pytest.raises(InvalidRequestError, match=r"texts\[1\]"):
        parse_request(BAD_BODIES["a number among texts"])


def test_unknown_fields_are_ignored_and_optional_ones_may_be_null() -> None:
    request = parse_request(b'{"texts": ["fine"], "max_length": null, "unit": null, "colour": {"red": [1, 2]}}')
    assert request == PredictRequest(texts=["fine"])


def test_a_length_of_many_digits_is_a_number_like_any_other() -> None:
    assert parse_request(b'{"texts": ["fine"], "max_length": 1000000000000000000000000}').max_length == 10**24


def test_escapes_and_other_scripts_arrive_as_they_were_meant() -> None:
    assert parse_request('{"texts": ["\\ud83d\\ude00 好 \\u0000"]}'.encode()).texts == ["😀 好 \x00"]


@pytest.mark.parametrize(
    "declared",
    [
        None,
        "application/json",
        "Application/JSON; charset=UTF-8",
        'application/json;charset="utf-8"',
        "application/x+json",
    ],
)
def test_json_is_read_however_it_is_declared(declared: str | None) -> None:
    check_media_type(declared, None)


@pytest.mark.parametrize(
    ("content_type", "encoding"),
    [
        ("text/plain", None),
        ("application/x-www-form-urlencoded", None),
        ("multipart/form-data; boundary=x", None),
        ("", "gzip"),
        ("application/json; charset=latin-1", None),
        ("application/json", "br"),
        ("/", None),
    ],
)
def test_anything_else_is_refused(content_type: str, encoding: str | None) -> None:
    with pytest.raises(MediaTypeError):
        check_media_type(content_type, encoding)


@pytest.mark.parametrize("kind", [PredictRequest, PredictResponse, ErrorBody])
def test_every_field_is_documented_with_an_example(kind: type[PredictRequest]) -> None:
    schema = schema_of(kind)
    assert set(schema["properties"]) == set(kind.__struct_fields__)
    for field in schema["properties"].values():
        assert field.get("examples"), field
