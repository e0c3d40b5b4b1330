from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from seatrial.config import ConversionSettings
from seatrial.conversion.parity import Answers, ParityRows, check_parity
from seatrial.domain.evidence import Finding, Verdict, worst
from seatrial.domain.inference import FloatArray, TokenBatch
from seatrial.domain.model import Precision

SETTINGS = ConversionSettings()
ROWS = 4000


def random_rows(count: int = ROWS) -> ParityRows:
    rng = np.random.default_rng(0)
    tokens = TokenBatch.from_rows([[1] * int(n) for n in rng.integers(3, 60, count)])
    truth = rng.integers(0, 2, count)
    logits = np.stack([np.where(truth == 0, 2, -2), np.where(truth == 1, 2, -2)], axis=1)
    return ParityRows(tokens, truth, (logits + rng.normal(0, 0.5, logits.shape)).astype(np.float32))


@pytest.fixture(scope="module")
def rows() -> ParityRows:
    return random_rows()


def found(rows: ParityRows, answers: Answers, precision: Precision = Precision.FP32) -> Mapping[str, Finding]:
    findings = check_parity("m@1/a", rows, answers, precision, SETTINGS)
    assert all(finding.subject == "m@1/a" for finding in findings)
    assert all(Finding.from_json(finding.to_json()).verdict is finding.verdict for finding in findings)
    return {finding.check: finding for finding in findings}


def same(logits: FloatArray) -> Answers:
    return Answers(logits, [logits, logits])


def swapped(rows: ParityRows, count: int) -> FloatArray:
    """The first rows decide the other way."""
    logits = rows.source_logits.copy()
    logits[:count] = logits[:count, ::-1]
    return logits


@pytest.mark.parametrize("precision", [Precision.FP32, Precision.INT8])
def test_the_same_answers_pass_every_check(rows: ParityRows, precision: Precision) -> None:
    findings = found(rows, same(rows.source_logits), precision)
    assert set(findings) == {
        "conversion.scores",
        "conversion.flip_rate",
        "conversion.length_buckets",
        "conversion.accuracy_loss",
        "conversion.probability_difference",
        "conversion.composition",
    }
    assert worst(findings.values()) is Verdict.PASS


@pytest.mark.parametrize("precision", [Precision.FP32, Precision.INT8])
def test_swapped_labels_fail(rows: ParityRows, precision: Precision) -> None:
    findings = found(rows, same(rows.source_logits[:, ::-1].copy()), precision)
    for check in ("flip_rate", "length_buckets", "accuracy_loss"):
        assert findings[f"conversion.{check}"].verdict is Verdict.FAIL, check
    assert findings["conversion.accuracy_loss"].value == pytest.approx(1, abs=0.01)


def test_the_limit_is_tighter_for_fp32(rows: ParityRows) -> None:
    answers = same(swapped(rows, 30))
    assert found(rows, answers, Precision.INT8)["conversion.flip_rate"].verdict is Verdict.PASS
    assert found(rows, answers, Precision.FP32)["conversion.flip_rate"].verdict is Verdict.FAIL


def test_accuracy_can_fail_alone(rows: ParityRows) -> None:
    """Few labels change, all of them for the worse."""
    finding = found(rows, same(swapped(rows, 50)), Precision.INT8)
    assert finding["conversion.flip_rate"].verdict is Verdict.PASS
    loss = finding["conversion.accuracy_loss"]
    assert loss.verdict is Verdict.FAIL
    assert loss.value == pytest.approx(50 / ROWS)
    assert (loss.details["worse"], loss.details["better"]) == (50, 0)
    assert loss.details["upper_bound"] > 50 / ROWS
    assert loss.details["harm_p_value"] < 1e-9


def test_gained_accuracy_is_no_loss(rows: ParityRows) -> None:
    wrong_source = ParityRows(rows.tokens, rows.truth, swapped(rows, 50))
    finding = found(wrong_source, same(rows.source_logits), Precision.INT8)["conversion.accuracy_loss"]
    assert finding.verdict is Verdict.PASS
    assert finding.value == pytest.approx(-50 / ROWS)


def test_probabilities_are_judged_for_fp32_and_recorded_for_int8(rows: ParityRows) -> None:
    moved = rows.source_logits * np.float32(1.01)
    exact = found(rows, same(moved))["conversion.probability_difference"]
    coarse = found(rows, same(moved), Precision.INT8)["conversion.probability_difference"]
    assert (exact.verdict, coarse.verdict) == (Verdict.FAIL, Verdict.PASS)
    assert exact.limit == SETTINGS.fp32_probability_limit
    assert exact.value == coarse.value
    assert coarse.limit is None
    assert "recorded only" in coarse.reason
    largest = coarse.details["logit_difference"]["largest"]
    assert largest == pytest.approx(0.01 * np.abs(rows.source_logits).max(), rel=1e-3)


def test_an_fp32_answer_may_not_depend_on_company(rows: ParityRows) -> None:
    other = rows.source_logits + np.array([0, 1e-3], np.float32)
    finding = found(rows, Answers(rows.source_logits, [rows.source_logits, other]))["conversion.composition"]
    assert finding.verdict is Verdict.FAIL
    assert finding.value is not None
    assert finding.value > 1e-5


def test_int8_decisions_may_depend_on_company_within_the_limit(rows: ParityRows) -> None:
    logits = rows.source_logits
    few = found(rows, Answers(logits, [swapped(rows, 10), swapped(rows, 30)]), Precision.INT8)
    many = found(rows, Answers(logits, [logits, swapped(rows, 200)]), Precision.INT8)
    assert few["conversion.composition"].verdict is Verdict.PASS
    assert few["conversion.composition"].details["flips"] == [10, 30]
    assert many["conversion.composition"].verdict is Verdict.FAIL
    assert many["conversion.flip_rate"].verdict is Verdict.PASS, "in company of like length nothing changed"


def test_too_few_rows_settle_nothing() -> None:
    few = random_rows(50)
    findings = found(few, same(few.source_logits), Precision.INT8)
    finding = findings["conversion.flip_rate"]
    assert finding.verdict is Verdict.INCONCLUSIVE
    assert "149 rows" in finding.reason
    assert findings["conversion.composition"].verdict is Verdict.INCONCLUSIVE


def broken_answers(rows: ParityRows) -> dict[str, tuple[ParityRows, Answers]]:
    good = rows.source_logits
    nan, infinite = good.copy(), good.copy()
    nan[7, 0], infinite[7] = np.nan, np.inf
    empty = ParityRows(TokenBatch.from_rows([]), rows.truth[:0], good[:0])
    return {
        "1 of 4,000 answers are not finite": (rows, Answers(nan, [good])),
        "answers are not finite": (rows, Answers(good, [infinite])),
        "shape (3999, 2)": (rows, same(good[:-1])),
        "shape (4000, 3)": (rows, same(np.zeros((ROWS, 3), np.float32))),
        "shape (4000, 1)": (rows, Answers(good, [good[:, :1]])),
        "The source itself": (ParityRows(rows.tokens, rows.truth, nan), same(good)),
        "3999 labels": (ParityRows(rows.tokens, rows.truth[:-1], good), same(good)),
        "no rows": (empty, same(good[:0])),
    }


def test_answers_that_cannot_be_compared_are_one_error_and_nothing_else(rows: ParityRows) -> None:
    for reason, (compared, answers) in broken_answers(rows).items():
        findings = check_parity("m@1/a", compared, answers, Precision.INT8, SETTINGS)
        assert [(f.check, f.verdict) for f in findings] == [("conversion.scores", Verdict.ERROR)], reason
        assert reason.removesuffix(" labels") in findings[0].reason
        assert "cannot be served" in findings[0].reason
