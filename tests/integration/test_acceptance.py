"""Every gate of the deployment test is seen to fail on a version in a process of its own that is broken on purpose."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from seatrial.acceptance import judgement, load_judgement, loads
from seatrial.acceptance.contract import ask_contract
from seatrial.acceptance.golden import ask_golden
from seatrial.acceptance.trial import try_version
from seatrial.domain.errors import UnreachableError
from seatrial.domain.evidence import Verdict
from seatrial.domain.progress import SILENT
from seatrial.flows.serve import Server
from tests.trials import LIMITS, REF, SHORT, own_code, subject

Start = Callable[..., Server]
SURE = subject(limits=LIMITS)


@pytest.fixture
def start(tmp_path: Path) -> Start:
    def of(name: str, **settings: object) -> Server:
        return own_code(tmp_path / "project", name, **settings)

    return of


def test_a_version_that_does_all_it_should_passes_every_check(start: Start) -> None:
    settings = SHORT.model_copy(update={"texts_per_s_floor": 1.0, "p99_limit_ms": 10_000.0})
    trial = try_version(SURE, lambda: start("Steady", max_queue_texts=64, max_texts=64), settings, SILENT)
    against = {f.check: f.reason for f in trial.findings if f.verdict is not Verdict.PASS}
    assert against == {}
    assert [place.clients for place in trial.curve] == [1, 2, 4]


def test_wrong_answers_are_found_alone_and_under_load(start: Start) -> None:
    with start("Swapped") as served:
        golden = SURE.rows.first(16)
        answers = ask_golden(served.url, golden, SURE.max_length)
        finding = judgement.judge_golden(SURE, golden, answers)
        assert (finding.verdict, finding.details["flips"]) == (Verdict.FAIL, 16)
        latency = load_judgement.judge_latency(REF, loads.at_rate(served, SURE, SHORT), SHORT)
        assert latency.verdict is Verdict.FAIL
        assert "answers are wrong" in latency.reason


def test_a_slow_version_fails_latency_and_throughput(start: Start) -> None:
    settings = SHORT.model_copy(update={"rate_per_s": 120.0, "p99_limit_ms": 40.0, "texts_per_s_floor": 100.0})
    with start("Slow", max_batch_texts=1) as served:
        latency = load_judgement.judge_latency(REF, loads.at_rate(served, SURE, settings), settings)
        assert (latency.verdict, latency.limit) == (Verdict.FAIL, 40.0)
        measured = loads.with_clients(served, SURE, settings.clients, settings.curve_window_s)
        assert load_judgement.judge_throughput(REF, measured, settings).verdict is Verdict.FAIL


def test_a_version_that_warms_up_at_its_first_request_is_found_out(start: Start) -> None:
    settings = SHORT.model_copy(update={"p99_limit_ms": 1.0})
    with start("Cold") as served:
        answers = ask_golden(served.url, SURE.rows.first(16), SURE.max_length)
        assert judgement.judge_warm_up(REF, answers.latencies_s, settings).verdict is Verdict.FAIL


def test_a_version_that_keeps_every_request_in_memory_is_found_out(start: Start) -> None:
    settings = SHORT.model_copy(update={"memory_growth_limit_bytes": 30_000_000})
    with start("Leaky") as served:
        grown = loads.watch_memory(served, SURE, settings)
        assert judgement.judge_growth(REF, grown, settings).verdict is Verdict.FAIL
        assert grown.growth_bytes > 50_000_000, "300 requests of 200 kB, after the first hundred"


def test_a_version_that_fails_now_and_then_passes_nothing_about_load(start: Start) -> None:
    with start("Failing") as served:
        assert load_judgement.judge_latency(REF, loads.at_rate(served, SURE, SHORT), SHORT).verdict is Verdict.FAIL
        overload = loads.overload(served, SURE, SHORT)
        assert load_judgement.judge_overload(REF, overload, SHORT).verdict is Verdict.FAIL
        asked = ask_contract(served, SURE)
        assert judgement.judge_contract(REF, asked).verdict is Verdict.FAIL


def test_a_version_that_never_turns_anybody_away_is_found_out(start: Start) -> None:
    settings = SHORT.model_copy(update={"p99_limit_ms": 50.0})
    with start("Slow", max_queue_texts=1_000_000, max_queue_s=1_000.0) as served:
        overload = loads.overload(served, SURE, settings)
        finding = load_judgement.judge_overload(REF, overload, settings)
        assert finding.verdict is Verdict.FAIL
        assert "everybody waits" in finding.reason


def test_the_overload_of_a_slow_version_is_measured_however_short_it_is(start: Start) -> None:
    settings = SHORT.model_copy(update={"overload_s": 0.02})  # over before the version has answered anything
    with start("Slow") as served:
        assert loads.overload(served, SURE, settings).capacity_per_s > 0


class Killed(Server):
    """Ends as a process does that does not care for those it has let in."""

    def terminate(self) -> None:
        os.kill(self.pid, signal.SIGKILL)


def test_a_version_that_loses_requests_at_its_end_is_found_out(tmp_path: Path) -> None:
    careless = own_code(tmp_path / "project", "Slow", max_batch_texts=1)
    careless.__class__ = Killed
    with careless as served:
        ended = loads.end_under_load(served, SURE, SHORT)
    finding = load_judgement.judge_shutdown(REF, ended, LIMITS.end_within_s)
    assert (finding.verdict, ended.exit_code) == (Verdict.FAIL, -signal.SIGKILL)
    assert (finding.value or 0) > 0, "requests that were under way are lost"


def test_a_process_that_has_gone_is_no_measurement(start: Start) -> None:
    with start("Right") as served:
        served.terminate()
        assert served.exit_code(30) == 0
        with pytest.raises(UnreachableError):
            loads.watch_memory(served, SURE, SHORT)
        with pytest.raises(UnreachableError):
            loads.overload(served, SURE, SHORT)
        with pytest.raises(UnreachableError):
            loads.end_under_load(served, SURE, SHORT)
