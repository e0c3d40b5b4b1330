"""Requests as bytes, made before the load begins: making them meanwhile would cost the client what it measures."""

from __future__ import annotations

import random
from dataclasses import dataclass

import msgspec

from seatrial.loadgen.plan import Mix, Target

__all__ = ["Call", "calls_of", "judge"]

_MOST_CALLS = 8192
"""Different requests of a load; a longer one sends them again."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request.

    Attributes:
        message: head and body as sent.
        chosen: which texts of the mix it asks about; empty for a bad request.
        leaves_after_s: when its client hangs up; None: it waits.
    """

    message: bytes
    chosen: tuple[int, ...]
    leaves_after_s: float | None = None

    @property
    def is_bad(self) -> bool:
        """Whether it must be refused as the client's mistake."""
        return not self.chosen


class _Answer(msgspec.Struct):
    predictions: list[str]
    probabilities: list[list[float]]
    version: str = ""


_decode = msgspec.json.Decoder(_Answer).decode


def calls_of(mix: Mix, target: Target, at_most: int) -> list[Call]:
    """The load's requests in order, after which it begins again at the first.

    Args:
        at_most: how many the load will send.
    """
    rng = random.Random(mix.seed)
    order: list[int] = []
    calls = []
    for _ in range(min(at_most, _MOST_CALLS)):
        if rng.random() < mix.bad_ratio:
            body, content_type = rng.choice(_bad_bodies(target.field))
            calls.append(Call(_message(target, body, content_type), ()))
            continue
        size = rng.choice(mix.sizes)
        while len(order) < size:
            order += rng.sample(range(len(mix.texts)), len(mix.texts))
        chosen, order = tuple(order[:size]), order[size:]
        leaves_after_s = rng.uniform(0, mix.leaves_within_s) if rng.random() < mix.cancelled_ratio else None
        body = msgspec.json.encode({target.field: [mix.texts[index] for index in chosen]})
        calls.append(Call(_message(target, body), chosen, leaves_after_s))
    return calls


def judge(mix: Mix, call: Call, status: int, body: bytes) -> str:
    """Why an answer is wrong; empty where it is right, or a fault of the server that the status admits.

    Args:
        status: a good request may be turned away (5xx) but not blamed (4xx), a bad one must be blamed.
    """
    if call.is_bad:
        return "" if 400 <= status < 500 else f"a bad request got {status}"
    if 400 <= status < 500:
        return f"a good request got {status}: {body[:200]!r}"
    if status != 200 or not mix.expected:
        return ""
    try:
        answer = _decode(body)
    except msgspec.DecodeError as error:
        return f"an answer cannot be read ({error}): {body[:200]!r}"
    return _difference(mix, call, answer)


def _difference(mix: Mix, call: Call, answer: _Answer) -> str:
    expected = mix.expected.get(answer.version)
    if expected is None:
        return f"version {answer.version!r} answered, which nobody expected"
    if answer.predictions != [expected.labels[index] for index in call.chosen]:
        return f"version {answer.version} answered other labels than expected: {answer.predictions[:8]}"
    if len(answer.probabilities) != len(call.chosen):
        return f"{len(answer.probabilities)} rows for {len(call.chosen)} texts"
    for index, row in zip(call.chosen, answer.probabilities, strict=True):
        wanted = expected.probabilities[index]
        if len(row) != len(wanted) or max(abs(a - b) for a, b in zip(row, wanted, strict=True)) > mix.tolerance:
            return f"version {answer.version} answered {row} and not {list(wanted)} to text {index}"
    return ""


def _message(target: Target, body: bytes, content_type: str = "application/json") -> bytes:
    head = (
        f"POST {target.path} HTTP/1.1\r\nhost: {target.host}:{target.port}\r\n"
        f"content-type: {content_type}\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _bad_bodies(field: str) -> tuple[tuple[bytes, str], ...]:
    """Bodies that are no request, with the content type each is sent as."""
    json = "application/json"
    name = field.encode()
    return (
        (b"", json),
        (b"not JSON", json),
        (b'{"%s": ["cut off"' % name, json),
        (b"{}", json),
        (b'{"%s": []}' % name, json),
        (b'{"%s": "no list"}' % name, json),
        (b'{"%s": [7]}' % name, json),
        (b'{"%s": [" "]}' % name, json),
        (b'{"%s": ["\xff"]}' % name, json),
        (b'{"%s": ["fine"]}' % name, "text/html"),
    )
