"""What is sent and read, byte for byte."""

from __future__ import annotations

import json
from typing import Any

import pytest

from seatrial.client.exchange import Reply
from seatrial.client.messages import (
    Health,
    Prediction,
    health_in,
    label_feedback,
    metric_feedback,
    predict_request,
    predictions_in,
)
from seatrial.domain.errors import InvalidRequestError, UnreadableAnswerError

ANSWER: dict[str, Any] = {
    "predictions": ["b", "a"],
    "probabilities": [[0.25, 0.75], [1, 0]],
    "labels": ["a", "b"],
    "latency_ms": 2,
    "model": "m",
    "version": "3",
    "request_id": "r",
}


def answered(**fields: Any) -> Reply:
    return Reply(200, {}, json.dumps({**ANSWER, **fields}).encode())


def test_a_request_says_only_what_was_asked() -> None:
    plain = predict_request(["gut 😀"], {})
    assert (plain.method, plain.path, json.loads(plain.body)) == ("POST", "/predict", {"texts": ["gut 😀"]})
    full = predict_request(
        ["x"], {"max_length": 9, "unit": "u", "model": "a/b c", "headers": {"traceparent": "00-1-2-01"}}
    )
    assert full.path == "/models/a%2Fb%20c/predict"
    assert json.loads(full.body) == {"texts": ["x"], "max_length": 9, "unit": "u"}
    assert full.headers == {"content-type": "application/json", "traceparent": "00-1-2-01"}
    assert full.repeatable


@pytest.mark.parametrize(
    ("texts", "words"), [(["ok", 3.5], "Text 1 is no text but float"), (["\ud83d"], "half a surrogate pair")]
)
def test_what_is_no_text_is_not_sent(texts: list[Any], words: str) -> None:
    with pytest.raises(InvalidRequestError, match=words):
        predict_request(texts, {})


def test_an_answer_is_a_sequence_of_predictions() -> None:
    read = predictions_in(answered(new_field=1), 2)
    assert read.labels == ["b", "a"]
    assert list(read) == [read[0], read[1]] == list(read[0:2])
    assert read[0] == Prediction("b", {"a": 0.25, "b": 0.75}, "m", "3")
    assert [item.confidence for item in read] == [0.75, 1.0]
    assert (len(read), read.model, read.version, read.request_id, read.latency_ms) == (2, "m", "3", "r", 2.0)
    assert read.clipped_to is None
    clipped = Reply(200, {"x-seatrial-max-length": "64"}, answered().body)
    assert predictions_in(clipped, 2).clipped_to == 64


@pytest.mark.parametrize(
    "fields",
    [
        {"predictions": ["b"]},
        {"probabilities": [[0.25, 0.75]]},
        {"probabilities": [[0.25], [1]]},
        {"labels": ["a"]},
        {"labels": None},
        {"predictions": ["b", "other"]},
        {"version": 3},
    ],
)
def test_an_answer_that_contradicts_itself_is_not_believed(fields: dict[str, Any]) -> None:
    with pytest.raises(UnreadableAnswerError, match="cannot be read"):
        predictions_in(answered(**fields), 2)


def test_an_answer_about_other_texts_or_from_a_stranger_is_not_believed() -> None:
    for reply in (answered(), Reply(200, {}, b"<html>"), Reply(200, {}, b"\xff\xfe")):
        with pytest.raises(UnreadableAnswerError):
            predictions_in(reply, 3)


def test_health() -> None:
    assert health_in(Reply(200, {}, b'{"status": "healthy", "model_loaded": false}')) == Health("healthy", False)
    with pytest.raises(UnreadableAnswerError):
        health_in(Reply(200, {}, b"ok"))


def test_feedback_names_what_it_is_about() -> None:
    label = label_feedback("r", 2, "b")
    assert (label.path, json.loads(label.body)) == ("/feedback", {"request_id": "r", "index": 2, "label": "b"})
    assert label.repeatable
    sale = metric_feedback("sale", 9.5, unit="u", request_id=None)
    assert json.loads(sale.body) == {"unit": "u", "metric": "sale", "value": 9.5}
    assert not sale.repeatable
    assert json.loads(metric_feedback("sale", 1, unit=None, request_id="r").body)["request_id"] == "r"
    for unit, request_id in ((None, None), ("u", "r")):
        with pytest.raises(InvalidRequestError, match="one of unit and request_id"):
            metric_feedback("sale", 1, unit=unit, request_id=request_id)
