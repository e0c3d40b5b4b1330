"""The JSON of /feedback, strictly."""

from __future__ import annotations

import json
from typing import Any

import pytest

from seatrial.domain.errors import InvalidRequestError, PayloadTooLargeError
from seatrial.domain.inference import MetricValue, TrueLabel
from seatrial.serving.feedback_wire import MOST_FEEDBACK, parse_feedback

LABEL = {"request_id": "5f0c", "index": 0, "label": "positive"}
METRIC = {"unit": "user-17", "metric": "paid", "value": 9.5}


def parse(document: Any) -> list[TrueLabel | MetricValue]:
    return parse_feedback(json.dumps(document).encode())


def test_both_kinds_alone_and_in_a_list() -> None:
    label, metric = TrueLabel("5f0c", 0, "positive"), MetricValue("paid", 9.5, "user-17")
    assert parse(LABEL) == [label]
    assert parse(METRIC) == [metric]
    assert parse([LABEL, METRIC, LABEL]) == [label, metric, label]
    assert parse([{**METRIC, "request_id": "5f0c", "value": -3}]) == [MetricValue("paid", -3.0, "user-17", "5f0c")]
    assert parse_feedback(b" \n[" + json.dumps(LABEL).encode() + b"] ") == [label]
    assert parse({**LABEL, "colour": "red"}) == [label]


BAD = {
    "nothing": b"",
    "not JSON": b"label=positive",
    "null": b"null",
    "a number": b"7",
    "an empty list": b"[]",
    "no fields": b"{}",
    "a list in a list": json.dumps([[LABEL]]).encode(),
    "rubbish after": json.dumps(LABEL).encode() + b"x",
    "no index": b'{"request_id": "5f0c", "label": "positive"}',
    "no label": b'{"request_id": "5f0c", "index": 0}',
    "no request_id": b'{"index": 0, "label": "positive"}',
    "nobody": b'{"metric": "paid", "value": 1}',
    "no value": b'{"metric": "paid", "unit": "u"}',
    "both kinds": json.dumps({**LABEL, **METRIC}).encode(),
    "NaN": b'{"metric": "paid", "unit": "u", "value": NaN}',
    "Infinity": b'{"metric": "paid", "unit": "u", "value": Infinity}',
    "beyond floats": b'{"metric": "paid", "unit": "u", "value": 1e999}',
    "beyond floats in digits": b'{"metric": "paid", "unit": "u", "value": ' + b"9" * 400 + b"}",
    "deep nesting": b"[" * 200_000 + b"]" * 200_000,
    "deep nesting of objects": b'{"a":' * 200_000 + b"1" + b"}" * 200_000,
    "invalid UTF-8": b'{"request_id": "5f0c", "index": 0, "label": "\xff"}',
    "half a surrogate pair": b'{"request_id": "5f0c", "index": 0, "label": "\\ud83d"}',
    **{
        f"{field} {value!r}"[:60]: json.dumps({**(LABEL if field in LABEL else METRIC), field: value}).encode()
        for field, values in {
            "request_id": ("", "x" * 129, "a b", "a\n", 7, None),
            "index": (-1, 0.0, "0", True, None, 2**31, 10**30),
            "label": ("", "x" * 257, 1, None),
            "metric": ("", "x" * 65, "a b", "a\n", 1, None),
            "value": ("1", True, None, [1]),
            "unit": ("", "x" * 257, 7, None),
        }.items()
        for value in values
    },
}


@pytest.mark.parametrize("body", BAD.values(), ids=BAD)
def test_what_is_no_feedback_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequestError, match=r"send "):
        parse_feedback(body)


def test_the_item_that_is_wrong_is_named() -> None:
    with pytest.raises(InvalidRequestError, match="Item 1 "):
        parse([LABEL, {**LABEL, "index": "0"}])


def test_too_many_items_are_refused() -> None:
    assert len(parse([LABEL] * MOST_FEEDBACK)) == MOST_FEEDBACK
    with pytest.raises(PayloadTooLargeError, match="at most"):
        parse([LABEL] * (MOST_FEEDBACK + 1))
