"""The bodies of /invocations."""

from __future__ import annotations

import json
from typing import Any

import pytest

from seatrial.domain.errors import InvalidRequestError, MediaTypeError
from seatrial.serving.protocols.mlflow_scoring import MlflowProtocol

JSON = "application/json"


def parse(body: Any, content_type: str | None = JSON) -> list[str]:
    headers = [] if content_type is None else [(b"content-type", content_type.encode())]
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    inputs = MlflowProtocol().parse({"headers": headers}, raw).inputs
    assert isinstance(inputs, list)
    return inputs


@pytest.mark.parametrize(
    "body",
    [
        {"dataframe_split": {"columns": ["text"], "data": [["a"], ["b"]]}},
        {"dataframe_split": {"index": [0, 1], "columns": ["id", "text"], "data": [[1, "a"], [2, "b"]]}},
        {"dataframe_split": {"columns": ["review"], "data": [["a"], ["b"]]}},
        {"dataframe_records": [{"text": "a"}, {"text": "b", "id": 1}]},
        {"dataframe_records": [{"review": "a"}, {"review": "b"}]},
        {"instances": ["a", "b"]},
        {"instances": [{"text": "a"}, {"text": "b"}]},
        {"instances": [["a"], ["b"]]},
        {"inputs": ["a", "b"]},
        {"inputs": {"text": ["a", "b"]}},
        {"inputs": ["a", "b"], "params": {"max_length": 8, "temperature": 0.5}},
    ],
)
def test_each_form_gives_its_texts(body: dict[str, Any]) -> None:
    assert parse(body) == ["a", "b"]


def test_one_text_may_stand_alone() -> None:
    assert parse({"inputs": "a"}) == parse({"inputs": {"text": "a"}}) == ["a"]


def test_parameters_are_taken_over() -> None:
    body = json.dumps({"inputs": ["a"], "params": {"max_length": 8, "unit": "user-17"}}).encode()
    asked = MlflowProtocol().parse({"headers": [(b"content-type", b"application/json")]}, body)
    assert (asked.max_length, asked.unit) == (8, "user-17")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[",
        b"[]",
        b"\xff",
        b'{"inputs": ' + b"[" * 100_000,
        {},
        {"inputs": None},
        {"inputs": ["a"], "instances": ["a"]},
        {"inputs": 3},
        {"inputs": [1]},
        {"inputs": [["a", "b"]]},
        {"inputs": {"a": ["x"], "b": ["y"]}},
        {"instances": [None]},
        {"dataframe_records": [{"id": 1, "review": "a"}]},
        {"dataframe_records": [{}]},
        {"dataframe_records": ["a"]},
        {"dataframe_split": {"columns": ["a", "b"], "data": []}},
        {"dataframe_split": {"columns": ["text"], "data": [["a", "b"]]}},
        {"dataframe_split": {"columns": [], "data": []}},
        {"dataframe_split": {"data": [["a"]]}},
        {"inputs": ["a"], "params": {"max_length": "8"}},
        {"inputs": ["a"], "params": {"unit": ""}},
    ],
)
def test_a_body_that_is_no_invocation_is_refused(body: Any) -> None:
    with pytest.raises(InvalidRequestError):
        parse(body)


@pytest.mark.parametrize(
    "table",
    [b"text\na\nb\n", b"\xef\xbb\xbftext\r\na\r\nb\r\n", b'id,text\n1,a\n2,"b"', b"review\na\n\nb\n"],
)
def test_csv_gives_its_texts(table: bytes) -> None:
    assert parse(table, "text/csv; charset=utf-8") == ["a", "b"]


def test_a_csv_cell_may_be_long_and_have_lines() -> None:
    text = "word\n" * 100_000
    assert parse(f'text\n"{text}"\n'.encode(), "text/csv") == [text]


@pytest.mark.parametrize("table", [b"", b"\n\n", b"\xff", b'text\n"a', b"a,b\n1,2\n", b"id,text\n1\n"])
def test_csv_that_is_none_is_refused(table: bytes) -> None:
    with pytest.raises(InvalidRequestError):
        parse(table, "text/csv")


@pytest.mark.parametrize(
    "content_type", [None, "text/plain", "application/x-parquet", "application/json; charset=latin-1"]
)
def test_another_type_is_refused(content_type: str | None) -> None:
    with pytest.raises(MediaTypeError):
        parse({"inputs": ["a"]}, content_type)
