"""What came of loads to findings: pure, one function a check."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

from seatrial.acceptance.figures import Overload, Shutdown
from seatrial.config import AcceptanceSettings
from seatrial.domain.evidence import Finding, Verdict
from seatrial.loadgen.results import ANSWERED, LoadResult
from seatrial.reports.formatting import count, number

__all__ = [
    "LEAST_ANSWERS",
    "judge_latency",
    "judge_overload",
    "judge_recovery",
    "judge_shutdown",
    "judge_throughput",
    "outcomes_text",
]

LEAST_ANSWERS = 100
"""With fewer, the 99th percentile would be the largest value."""
_SHED = "503"


def judge_latency(subject: str, result: LoadResult, settings: AcceptanceSettings) -> Finding:
    """The 99th percentile (nearest rank) at `rate_per_s`, counted from when each request was due.

    PASS: at most `p99_limit_ms`. FAIL: more, or a request was not answered, or wrongly. INCONCLUSIVE: fewer than
    `LEAST_ANSWERS` answers, unless half of them are above the limit. ERROR: the client itself was late by more than
    half the limit, at its 99th percentile.
    """
    check, limit_ms, answered = "acceptance.latency", settings.p99_limit_ms, result.answered
    fault = _fault(result)
    load = f"At {number(settings.rate_per_s)} requests/s of one text"
    details = {"latency": asdict(answered), "rate_per_s": settings.rate_per_s}
    if fault:
        return Finding(
            check, subject, Verdict.FAIL, f"{load} {fault}", answered.p99_ms, limit_ms, answered.samples, details
        )
    reason = (
        f"{load} p50 is {answered.p50_ms:.1f} ms and p99 {answered.p99_ms:.1f} ms; the limit is {number(limit_ms)} ms."
    )
    if answered.samples < LEAST_ANSWERS and answered.p50_ms <= limit_ms:
        verdict = Verdict.INCONCLUSIVE
        reason += f" {answered.samples} answers are too few for a p99: let the load last longer."
    elif answered.p99_ms <= limit_ms:
        verdict = Verdict.PASS
    elif result.lateness.p99_ms > limit_ms / 2:
        verdict = Verdict.ERROR
        reason += (
            f" But requests left {result.lateness.p99_ms:.1f} ms late (p99): use an idle machine, or a lower rate."
        )
    else:
        verdict = Verdict.FAIL
    return Finding(check, subject, verdict, reason, answered.p99_ms, limit_ms, answered.samples, details)


def judge_throughput(subject: str, result: LoadResult, settings: AcceptanceSettings) -> Finding:
    """Texts answered a second with `clients` clients.

    PASS: at least `texts_per_s_floor`. FAIL: fewer, or a request was not answered, or wrongly.
    """
    check, floor = "acceptance.throughput", settings.texts_per_s_floor
    fault, samples = _fault(result), result.answered.samples
    load = f"With {settings.clients} clients"
    if fault:
        return Finding(check, subject, Verdict.FAIL, f"{load} {fault}", result.texts_per_s, floor, samples)
    verdict = Verdict.PASS if result.texts_per_s >= floor else Verdict.FAIL
    reason = (
        f"{load} {result.texts_per_s:.0f} texts/s are answered, p99 {result.answered.p99_ms:.1f} ms; "
        f"{number(floor)} texts/s are wanted."
    )
    return Finding(check, subject, verdict, reason, result.texts_per_s, floor, samples)


def judge_overload(subject: str, overload: Overload, settings: AcceptanceSettings) -> Finding:
    """Whether too much work is turned away in time, and each who is turned away is told when to come back.

    PASS: some requests are shed with 503 and all others, one at least, answered rightly, and every shed request that
    was looked at has Retry-After. FAIL: another outcome, a wrong answer, a 503 without Retry-After, nobody is answered,
    or nothing is shed while requests wait longer than `p99_limit_ms`. INCONCLUSIVE: nothing is shed and nothing waits,
    or no shed request was looked at.
    """
    check, result = "acceptance.overload", overload.result
    outcomes = result.total.outcomes
    shed, requests = outcomes.get(_SHED, 0), max(1, result.total.requests)
    offered = (
        f"Offered {overload.offered_per_s:.0f} texts/s, {overload.offered_per_s / overload.capacity_per_s:.1f} times "
        f"its capacity: {outcomes_text(outcomes)}."
    )
    unhinted = sum(hint is None or not hint.isdigit() for hint in overload.hints)
    strange = sorted(set(outcomes) - {ANSWERED, _SHED})
    verdict, verdict_reason = Verdict.PASS, f"Each of {len(overload.hints)} refusals looked at says when to come back."
    if strange:
        verdict, verdict_reason = Verdict.FAIL, f"Only 200 and 503 are allowed, not {', '.join(strange)}."
    elif result.wrong:
        verdict, verdict_reason = Verdict.FAIL, f"{result.wrong} answers are wrong: {result.wrong_examples[0]}"
    elif unhinted:
        verdict, verdict_reason = Verdict.FAIL, f"{unhinted} of {len(overload.hints)} refusals have no Retry-After."
    elif shed and not outcomes.get(ANSWERED):
        verdict, verdict_reason = Verdict.FAIL, "Everybody is turned away: too much work must not stop all of it."
    elif not shed and result.answered.p99_ms > settings.p99_limit_ms:
        verdict = Verdict.FAIL
        verdict_reason = f"Nothing is turned away, and everybody waits, {result.answered.p99_ms:.0f} ms at p99."
    elif not shed:
        verdict, verdict_reason = Verdict.INCONCLUSIVE, "The load was too small to fill the line: raise overload_s."
    elif not overload.hints:
        verdict, verdict_reason = Verdict.INCONCLUSIVE, "No refusal could be looked at: raise overload_s."
    details = {"outcomes": dict(outcomes), "capacity_per_s": overload.capacity_per_s}
    reason = f"{offered} {verdict_reason}"
    return Finding(check, subject, verdict, reason, shed / requests, None, result.total.requests, details)


def judge_recovery(subject: str, recovered_s: float | None, settings: AcceptanceSettings) -> Finding:
    """Whether the version answers again once the overload is over.

    PASS: within `recovery_limit_s`. FAIL: later or not at all.
    """
    limit_s = settings.recovery_limit_s
    if recovered_s is None:
        reason = f"No prediction came within {number(limit_s)} s of the end of the overload."
        return Finding("acceptance.recovery", subject, Verdict.FAIL, reason, None, limit_s, 1)
    verdict = Verdict.PASS if recovered_s <= limit_s else Verdict.FAIL
    reason = f"It answers again {recovered_s:.2f} s after the overload; the limit is {number(limit_s)} s."
    return Finding("acceptance.recovery", subject, verdict, reason, recovered_s, limit_s, 1)


def judge_shutdown(subject: str, ended: Shutdown, limit_s: float) -> Finding:
    """Whether everybody who was let in before the end is answered.

    Args:
        limit_s: how long the end may take.

    PASS: no request sent before the signal stays unanswered, no answer is wrong, the process ends by itself with 0
    within the limit. FAIL: else. INCONCLUSIVE: the load was over before the signal.
    """
    check, result = "acceptance.shutdown", ended.result
    lost = sum(sent_s < ended.signalled_s for sent_s in result.unanswered_sent_s)
    answered = result.total.outcomes.get(ANSWERED, 0)
    facts = f"SIGTERM under load: {outcomes_text(result.total.outcomes)}; {lost} sent before it were lost"
    if lost or result.wrong:
        verdict, reason = Verdict.FAIL, f"{facts}, {result.wrong} answered wrongly; none may be."
    elif ended.exit_code != 0:
        how = "it did not end" if ended.exit_code is None else f"it ended with {ended.exit_code}"
        verdict, reason = Verdict.FAIL, f"{facts}, but {how} within {number(limit_s)} s."
    elif not answered or result.last_sent_s < ended.signalled_s:
        verdict, reason = Verdict.INCONCLUSIVE, f"{facts}, but the load was not under way: run the test again."
    else:
        verdict, reason = Verdict.PASS, f"{facts}; it ended after {ended.took_s:.1f} s."
    details = {"outcomes": dict(result.total.outcomes), "took_s": ended.took_s, "exit_code": ended.exit_code}
    return Finding(check, subject, verdict, reason, lost, 0, result.total.requests, details)


def outcomes_text(outcomes: Mapping[str, int]) -> str:
    """How requests ended, in words.

    Example:
        >>> outcomes_text({"503": 2, "200": 1400})
        '1,400 × 200, 2 × 503'
        >>> outcomes_text({})
        'no request ended'
    """
    return (
        ", ".join(f"{count(requests)} × {ended}" for ended, requests in sorted(outcomes.items())) or "no request ended"
    )


def _fault(result: LoadResult) -> str:
    """What is wrong with a load whose every request should be answered rightly; empty where nothing is."""
    if not result.total.outcomes.get(ANSWERED):
        return f"no request is answered: {outcomes_text(result.total.outcomes)}."
    if result.wrong:
        return f"{result.wrong} answers are wrong: {result.wrong_examples[0]}"
    if set(result.total.outcomes) != {ANSWERED}:
        return f"not every request is answered: {outcomes_text(result.total.outcomes)}."
    return ""
