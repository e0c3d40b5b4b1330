"""Each rule of the deployment test, on both sides of its limit."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from seatrial.acceptance import judgement
from seatrial.acceptance.figures import Asked, GoldenAnswers, MemoryGrowth
from seatrial.config import AcceptanceSettings
from seatrial.domain.evidence import Verdict
from tests.trials import REF, rows, subject

SETTINGS = AcceptanceSettings(
    start_up_limit_s=2.0, memory_limit_bytes=1_000, memory_growth_limit_bytes=100, warm_up_limit_ratio=3.0,
    p99_limit_ms=50.0,
)  # fmt: skip


@pytest.mark.parametrize(("ready_s", "verdict"), [(2.0, Verdict.PASS), (2.01, Verdict.FAIL)])
def test_a_start_is_long_enough_at_its_limit(ready_s: float, verdict: Verdict) -> None:
    finding = judgement.judge_start_up(REF, ready_s, SETTINGS)
    assert (finding.verdict, finding.value, finding.limit, finding.samples) == (verdict, ready_s, 2.0, 1)


@pytest.mark.parametrize(
    ("rss_bytes", "verdict"), [(1_000, Verdict.PASS), (1_001, Verdict.FAIL), (None, Verdict.ERROR)]
)
def test_memory_at_rest(rss_bytes: int | None, verdict: Verdict) -> None:
    assert judgement.judge_rest(REF, rss_bytes, SETTINGS).verdict is verdict


@pytest.mark.parametrize(
    ("rss_bytes", "answered", "verdict"),
    [
        ([500, 900, 600], 40, Verdict.PASS),
        ([500, 500, 400], 40, Verdict.PASS),
        ([500, 550, 601], 40, Verdict.FAIL),
        ([500, 500, 500], 39, Verdict.INCONCLUSIVE),
        ([500, 500, 700], 39, Verdict.FAIL),
    ],
)
def test_memory_over_requests(rss_bytes: Sequence[int], answered: int, verdict: Verdict) -> None:
    finding = judgement.judge_growth(REF, MemoryGrowth(rss_bytes, 40, answered), SETTINGS)
    assert (finding.verdict, finding.value, finding.samples) == (verdict, rss_bytes[-1] - rss_bytes[0], answered)


@pytest.mark.parametrize(
    ("latencies_s", "verdict"),
    [
        ([0.03, 0.01, 0.01, 0.01], Verdict.PASS),
        ([0.05, 0.01, 0.01, 0.01], Verdict.PASS),  # five times, but within the limit of every request
        ([0.06, 0.01, 0.01, 0.01], Verdict.FAIL),
        ([0.06, 0.02, 0.02, 9.0], Verdict.PASS),
        ([0.06], Verdict.INCONCLUSIVE),
    ],
)
def test_the_first_request_against_the_later_ones(latencies_s: Sequence[float], verdict: Verdict) -> None:
    assert judgement.judge_warm_up(REF, latencies_s, SETTINGS).verdict is verdict


@pytest.mark.parametrize(
    ("faults", "verdict", "value"),
    [(["", ""], Verdict.PASS, 0), (["", "no", "no"], Verdict.FAIL, 2), ([], Verdict.INCONCLUSIVE, None)],
)
def test_one_wrong_answer_breaks_the_contract(faults: Sequence[str], verdict: Verdict, value: int | None) -> None:
    finding = judgement.judge_contract(REF, [Asked(f"probe {place}", fault) for place, fault in enumerate(faults)])
    assert (finding.verdict, finding.value, finding.samples) == (verdict, value, len(faults))
    assert finding.verdict is not Verdict.FAIL or "probe 1: no" in finding.reason


def test_many_faults_are_counted_and_some_are_shown() -> None:
    finding = judgement.judge_contract(REF, [Asked(f"probe {place}", "x" * 900) for place in range(9)])
    assert finding.reason.endswith("; and 6 more.")
    assert len(finding.reason) < 1000
    assert len(finding.details["faults"]) == 9


def answers(shift: float = 0.0, flipped: int = 0, unanswered: int = 0, columns: int = 2) -> GoldenAnswers:
    """To the golden rows: as expected, but for what is said."""
    given = rows()
    labels, shares = list(given.labels), [[p + shift for p in row][:columns] for row in given.probabilities]
    for place in range(flipped):
        labels[place] = "positive" if labels[place] == "negative" else "negative"
    for place in range(unanswered):
        labels[place], shares[place] = "", []
    return GoldenAnswers(labels, shares, [0.01] * len(given))


@pytest.mark.parametrize(
    ("given", "verdict"),
    [
        (answers(), Verdict.PASS),
        (answers(shift=0.9e-4), Verdict.PASS),
        (answers(shift=1.1e-4), Verdict.FAIL),
        (answers(flipped=1), Verdict.FAIL),
        (answers(unanswered=1), Verdict.FAIL),
        (answers(columns=1), Verdict.FAIL),
    ],
)
def test_an_fp32_artifact_answers_as_its_source(given: GoldenAnswers, verdict: Verdict) -> None:
    finding = judgement.judge_golden(subject(), rows(), given)
    assert (finding.verdict, finding.samples) == (verdict, 40)


def test_labels_of_nearly_equal_probability_may_change() -> None:
    torn = rows(certainty=0.50002)
    given = GoldenAnswers(["positive"] * 40, torn.probabilities, [0.01] * 40)
    assert judgement.judge_golden(subject(), torn, given).verdict is Verdict.PASS
    assert judgement.judge_golden(subject(probability_limit=1e-6), torn, given).verdict is Verdict.FAIL


@pytest.mark.parametrize(("flipped", "verdict"), [(0, Verdict.PASS), (2, Verdict.PASS), (3, Verdict.FAIL)])
def test_a_quantised_artifact_is_judged_by_its_labels(flipped: int, verdict: Verdict) -> None:
    """Of 40 rows, 3 changed labels prove that more than 2 % of all change; 2 do not."""
    finding = judgement.judge_golden(subject(probability_limit=None), rows(), answers(shift=0.05, flipped=flipped))
    assert (finding.verdict, finding.limit) == (verdict, 0.02)
    assert (finding.value or 0.0) <= flipped / 40


def test_what_could_not_be_measured_never_passes() -> None:
    finding = judgement.unmeasured("acceptance.latency", REF, "the process\x00 died")
    assert finding.verdict is Verdict.ERROR
    assert "died" in finding.reason
    assert "\x00" not in finding.reason
