from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from seatrial.loadgen.calls import Call, calls_of, judge
from seatrial.loadgen.plan import Expected, Mix, Target

TARGET = Target("127.0.0.1", 8080)
TEXTS = tuple(f"text {number}" for number in range(50))


def body_of(call: Call) -> bytes:
    return call.message.partition(b"\r\n\r\n")[2]


def texts_of(call: Call) -> list[str]:
    return list(json.loads(body_of(call))["texts"])


def test_a_message_is_a_request_that_says_how_long_it_is() -> None:
    call = calls_of(Mix(("你好",)), TARGET, 1)[0]
    head, _, body = call.message.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /predict HTTP/1.1\r\nhost: 127.0.0.1:8080\r\n")
    assert f"content-length: {len(body)}".encode() in head
    assert json.loads(body) == {"texts": ["你好"]}


def test_the_same_seed_sends_the_same_requests() -> None:
    mixes = [Mix(TEXTS, sizes=(1, 1, 4), bad_ratio=0.1, cancelled_ratio=0.1, seed=seed) for seed in (1, 1, 2)]
    first, again, other = (calls_of(mix, TARGET, 300) for mix in mixes)
    assert first == again != other


def test_every_text_is_sent_as_often_as_the_others() -> None:
    calls = calls_of(Mix(TEXTS, sizes=(1, 3)), TARGET, 500)
    sent = Counter(text for call in calls for text in texts_of(call))
    assert set(sent) == set(TEXTS)
    assert max(sent.values()) - min(sent.values()) <= 1
    assert {len(call.chosen) for call in calls} == {1, 3}
    assert all(texts_of(call) == [TEXTS[index] for index in call.chosen] for call in calls)


def test_the_shares_of_bad_and_cancelled_requests_are_kept() -> None:
    mix = Mix(TEXTS, bad_ratio=0.2, cancelled_ratio=0.1, leaves_within_s=0.5)
    calls = calls_of(mix, TARGET, 5000)
    assert sum(call.is_bad for call in calls) == pytest.approx(1000, rel=0.15)
    leaving = [call.leaves_after_s for call in calls if call.leaves_after_s is not None]
    assert len(leaving) == pytest.approx(400, rel=0.2)
    assert 0 <= min(leaving) < max(leaving) <= 0.5


def test_a_long_load_repeats_its_requests_instead_of_keeping_them_all() -> None:
    assert len(calls_of(Mix(TEXTS), TARGET, 10**6)) < 10**4


ROWS = ((0.9, 0.1), (0.2, 0.8))
MIX = Mix(("bad film", "good film"), expected={"1": Expected(("negative", "positive"), ROWS)}, tolerance=0.01)
BOTH, GOOD, BAD = Call(b"", (0, 1)), Call(b"", (1,)), Call(b"", ())


def answer(labels: list[str], rows: list[list[float]], **more: Any) -> bytes:
    return json.dumps({"predictions": labels, "probabilities": rows, "version": "1", **more}).encode()


RIGHT = answer(["negative", "positive"], [[0.9, 0.1], [0.2, 0.8]])


@pytest.mark.parametrize(
    ("call", "status", "body"),
    [
        (BOTH, 200, RIGHT),
        (GOOD, 200, answer(["positive"], [[0.195, 0.805]])),
        (GOOD, 503, b""),
        (GOOD, 500, b""),
        (BAD, 400, b""),
        (BAD, 413, b""),
    ],
)
def test_what_a_correct_server_says_is_right(call: Call, status: int, body: bytes) -> None:
    assert judge(MIX, call, status, body) == ""


@pytest.mark.parametrize(
    ("call", "status", "body", "reason"),
    [
        (GOOD, 200, RIGHT, "other labels"),
        (GOOD, 200, answer(["negative"], [[0.2, 0.8]]), "other labels"),
        (GOOD, 200, answer(["positive"], [[0.3, 0.7]]), "and not [0.2, 0.8] to text 1"),
        (GOOD, 200, answer(["positive"], [[0.2, 0.7, 0.1]]), "and not"),
        (GOOD, 200, answer(["positive"], []), "0 rows"),
        (GOOD, 200, answer(["positive"], [[0.2, 0.8]], version="2"), "version '2'"),
        (GOOD, 200, b"{", "cannot be read"),
        (GOOD, 400, b"why", "a good request got 400"),
        (BAD, 200, RIGHT, "a bad request got 200"),
        (BAD, 500, b"", "a bad request got 500"),
    ],
)
def test_a_wrong_answer_is_said_to_be_wrong(call: Call, status: int, body: bytes, reason: str) -> None:
    assert reason in judge(MIX, call, status, body)


def test_without_expectations_answers_are_not_read() -> None:
    assert judge(Mix(TEXTS), GOOD, 200, b"anything") == ""
