"""Findings and verdicts: their order, and their way through JSON and back."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.domain.evidence import Finding, Verdict, worst

PLAIN = Finding("conversion.flip_rate", "m@1/onnx-int8", Verdict.FAIL, "2 % flipped.", 0.02, 0.01, 500, {"flips": 10})


def of(verdict: Verdict) -> Finding:
    """A finding of that verdict."""
    return Finding("a.b", "m@1", verdict, "A reason.")


def test_verdicts_from_best_to_worst() -> None:
    assert sorted(Verdict) == [Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.ERROR, Verdict.FAIL]


@given(st.lists(st.sampled_from(Verdict)))
def test_the_worst_verdict_wins_and_no_finding_is_no_success(verdicts: list[Verdict]) -> None:
    assert worst(map(of, verdicts)) is (max(verdicts) if verdicts else Verdict.INCONCLUSIVE)


@pytest.mark.parametrize("verdict", Verdict)
def test_a_verdict_is_found_by_its_word(verdict: Verdict) -> None:
    assert Verdict.from_word(verdict.word) is verdict


@pytest.mark.parametrize("word", ["", "passed", "0", " pass"])
def test_a_word_that_is_no_verdict(word: str) -> None:
    with pytest.raises(ValueError, match="use one of pass, inconclusive, error, fail"):
        Verdict.from_word(word)


def through_text(finding: Finding) -> Finding:
    """The finding after it went through JSON that admits nothing but JSON."""
    return Finding.from_json(json.loads(json.dumps(finding.to_json(), allow_nan=False)))


def test_round_trip() -> None:
    assert through_text(PLAIN) == PLAIN


any_number = st.none() | st.floats() | st.integers(-(2**53), 2**53)


@given(st.text(), st.text(), st.sampled_from(Verdict), st.text(), any_number, any_number, st.integers(0), st.floats())
def test_every_finding_comes_back_with_its_finite_figures(
    check: str,
    subject: str,
    verdict: Verdict,
    reason: str,
    value: float | None,
    limit: float | None,
    samples: int,
    figure: float,
) -> None:
    finding = Finding(check, subject, verdict, reason, value, limit, samples, {"figure": figure})
    back = through_text(finding)
    assert (back.check, back.subject, back.verdict, back.reason) == (check, subject, verdict, reason)
    assert (back.value, back.limit, back.samples) == (finite(value), finite(limit), samples)
    assert back.details == {"figure": finite(figure)}


def finite(value: float | None) -> float | None:
    """The value, None for what JSON cannot say."""
    return value if value is not None and math.isfinite(value) else None


def test_figures_without_a_word_in_json_become_none_however_deep() -> None:
    details = {"slices": [{"ece": math.nan}, (1.5, -math.inf)], "name": "x", "flag": True, "nothing": None}
    finding = Finding("a.b", "m@1", Verdict.ERROR, "No figure.", math.nan, math.inf, 0, details)
    document = finding.to_json()
    assert (document["value"], document["limit"]) == (None, None)
    assert document["details"] == {
        "slices": [{"ece": None}, [1.5, None]],
        "name": "x",
        "flag": True,
        "nothing": None,
    }


def test_figures_of_arrays_become_plain_numbers() -> None:
    finding = Finding("a.b", "m@1", Verdict.PASS, "Fine.", np.float32(0.5), np.float64(0.25), np.int64(3))  # type: ignore[arg-type]
    assert through_text(finding) == Finding("a.b", "m@1", Verdict.PASS, "Fine.", 0.5, 0.25, 3)


@pytest.mark.parametrize("key", ["check", "subject", "verdict", "reason"])
def test_a_document_that_lacks_a_key(key: str) -> None:
    document = PLAIN.to_json()
    del document[key]
    with pytest.raises(ValueError, match=rf"This is no finding .*{key}"):
        Finding.from_json(document)


def test_figures_may_be_left_out() -> None:
    document = {"check": "a.b", "subject": "m@1", "verdict": "pass", "reason": "Fine."}
    assert Finding.from_json(document) == Finding("a.b", "m@1", Verdict.PASS, "Fine.")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("check", 1),
        ("subject", None),
        ("verdict", 0),
        ("verdict", None),
        ("verdict", "perhaps"),
        ("reason", []),
        ("value", "0.9"),
        ("value", True),
        ("limit", []),
        ("samples", 1.5),
        ("samples", None),
        ("details", []),
        ("details", None),
    ],
)
def test_a_document_with_a_value_of_another_type(key: str, value: object) -> None:
    with pytest.raises(ValueError, match=r"no finding|no verdict"):
        Finding.from_json({**PLAIN.to_json(), key: value})


@pytest.mark.parametrize("document", [None, 5, "text", [], ["check"]])
def test_what_is_no_document(document: Any) -> None:
    with pytest.raises(ValueError, match="This is no finding"):
        Finding.from_json(document)
