"""Each rule about loads, on both sides of its limit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from seatrial.acceptance import load_judgement
from seatrial.acceptance.figures import Overload, Shutdown
from seatrial.config import AcceptanceSettings
from seatrial.domain.evidence import Verdict
from seatrial.loadgen.results import Latencies, LoadResult
from tests.trials import REF, load_result

SETTINGS = AcceptanceSettings(p99_limit_ms=50.0, texts_per_s_floor=200.0, recovery_limit_s=2.0)
WRONG: dict[str, Any] = {"wrong": 1, "wrong_examples": ("version 2 answered",)}


@pytest.mark.parametrize(
    ("result", "verdict"),
    [
        (load_result({"200": 100}, 50.0), Verdict.PASS),
        (load_result({"200": 100}, 50.1), Verdict.FAIL),
        (load_result({"200": 99}, 10.0), Verdict.INCONCLUSIVE),
        (load_result({"200": 20}, 51.0), Verdict.FAIL),
        (load_result({"200": 500, "503": 1}, 10.0), Verdict.FAIL),
        (load_result({"200": 500}, 10.0, **WRONG), Verdict.FAIL),
        (load_result({"refused": 500}), Verdict.FAIL),
        (load_result({}), Verdict.FAIL),
        (load_result({"200": 100}, 60.0, lateness=Latencies.of([0.026])), Verdict.ERROR),
        (load_result({"200": 100}, 40.0, lateness=Latencies.of([0.026])), Verdict.PASS),
    ],
)
def test_latency_at_the_stated_rate(result: LoadResult, verdict: Verdict) -> None:
    finding = load_judgement.judge_latency(REF, result, SETTINGS)
    assert (finding.verdict, finding.limit, finding.samples) == (verdict, 50.0, result.answered.samples)


@pytest.mark.parametrize(
    ("result", "verdict"),
    [
        (load_result({"200": 200}), Verdict.PASS),
        (load_result({"200": 199}), Verdict.FAIL),
        (load_result({"200": 300, "500": 1}), Verdict.FAIL),
        (load_result({"200": 300}, **WRONG), Verdict.FAIL),
    ],
)
def test_throughput_with_the_stated_clients(result: LoadResult, verdict: Verdict) -> None:
    finding = load_judgement.judge_throughput(REF, result, SETTINGS)
    assert (finding.verdict, finding.value, finding.limit) == (verdict, result.texts_per_s, 200.0)


@pytest.mark.parametrize(
    ("outcomes", "latency_ms", "hints", "changes", "verdict"),
    [
        ({"200": 50, "503": 50}, 900.0, ["1"], {}, Verdict.PASS),
        ({"200": 50, "503": 50}, 900.0, ["1", None], {}, Verdict.FAIL),
        ({"200": 50, "503": 50}, 900.0, ["soon"], {}, Verdict.FAIL),
        ({"200": 50, "503": 50}, 900.0, [], {}, Verdict.INCONCLUSIVE),
        ({"200": 50, "503": 50, "reset": 1}, 900.0, ["1"], {}, Verdict.FAIL),
        ({"200": 50, "503": 50, "500": 1}, 900.0, ["1"], {}, Verdict.FAIL),
        ({"200": 50, "503": 50}, 900.0, ["1"], WRONG, Verdict.FAIL),
        ({"503": 100}, 900.0, ["1"], {}, Verdict.FAIL),
        ({}, 900.0, [], {}, Verdict.INCONCLUSIVE),
        ({"200": 100}, 900.0, [], {}, Verdict.FAIL),
        ({"200": 100}, 20.0, [], {}, Verdict.INCONCLUSIVE),
    ],
)
def test_overload(
    outcomes: Mapping[str, int],
    latency_ms: float,
    hints: Sequence[str | None],
    changes: dict[str, Any],
    verdict: Verdict,
) -> None:
    overload = Overload(load_result(outcomes, latency_ms, **changes), 900.0, 300.0, hints, 0.1)
    finding = load_judgement.judge_overload(REF, overload, SETTINGS)
    assert (finding.verdict, finding.samples) == (verdict, sum(outcomes.values()))
    assert "3.0 times its capacity" in finding.reason


@pytest.mark.parametrize(("recovered_s", "verdict"), [(2.0, Verdict.PASS), (2.1, Verdict.FAIL), (None, Verdict.FAIL)])
def test_recovery(recovered_s: float | None, verdict: Verdict) -> None:
    assert load_judgement.judge_recovery(REF, recovered_s, SETTINGS).verdict is verdict


@pytest.mark.parametrize(
    ("changes", "exit_code", "verdict"),
    [
        ({}, 0, Verdict.PASS),
        ({"unanswered_sent_s": (50.1, 60.0)}, 0, Verdict.PASS),  # sent after the signal: nobody had let them in
        ({"unanswered_sent_s": (49.9,)}, 0, Verdict.FAIL),
        (WRONG, 0, Verdict.FAIL),
        ({}, -9, Verdict.FAIL),
        ({}, None, Verdict.FAIL),
        ({"last_sent_s": 49.0}, 0, Verdict.INCONCLUSIVE),
    ],
)
def test_a_shutdown_under_load(changes: dict[str, Any], exit_code: int | None, verdict: Verdict) -> None:
    ended = Shutdown(load_result({"200": 90, "refused": 10}, **changes), 50.0, exit_code, 0.4)
    finding = load_judgement.judge_shutdown(REF, ended, 20.0)
    assert (finding.verdict, finding.samples) == (verdict, 100)


def test_a_shutdown_before_any_answer_proves_nothing() -> None:
    ended = Shutdown(load_result({"refused": 10}), 50.0, 0, 0.4)
    assert load_judgement.judge_shutdown(REF, ended, 20.0).verdict is Verdict.INCONCLUSIVE
