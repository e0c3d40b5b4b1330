"""Figures and settings to findings: pure, one function a check. docs/gates.md says the same in a table."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from seatrial.acceptance.figures import Asked, GoldenAnswers, MemoryGrowth
from seatrial.acceptance.subject import Rows, Subject, margin
from seatrial.config import AcceptanceSettings
from seatrial.domain.evidence import Finding, Verdict
from seatrial.reports.formatting import count, number, plain, shorten

__all__ = [
    "CHECKS",
    "judge_contract",
    "judge_golden",
    "judge_growth",
    "judge_rest",
    "judge_start_up",
    "judge_warm_up",
    "megabytes",
    "unmeasured",
]

CHECKS = (
    "acceptance.start_up",
    "acceptance.memory_at_rest",
    "acceptance.warm_up",
    "acceptance.golden",
    "acceptance.contract",
    "acceptance.memory_growth",
    "acceptance.latency",
    "acceptance.throughput",
    "acceptance.overload",
    "acceptance.recovery",
    "acceptance.shutdown",
)
"""Every check of the deployment test, in the order in which they are made."""
_SHOWN = 3
_SHOWN_LETTERS = 200


def unmeasured(check: str, subject: str, why: str) -> Finding:
    """The finding of a check that could not be made: it replaces an earlier one, and never passes."""
    return Finding(check, subject, Verdict.ERROR, f"Not measured: {shorten(plain(why), 500)}")


def judge_start_up(subject: str, ready_s: float, settings: AcceptanceSettings) -> Finding:
    """From nothing to ready.

    PASS: at most `start_up_limit_s`. FAIL: longer.
    """
    limit_s = settings.start_up_limit_s
    verdict = Verdict.PASS if ready_s <= limit_s else Verdict.FAIL
    reason = f"Ready after {ready_s:.1f} s, the start of the process included; the limit is {number(limit_s)} s."
    return Finding("acceptance.start_up", subject, verdict, reason, ready_s, limit_s, 1)


def judge_rest(subject: str, rss_bytes: int | None, settings: AcceptanceSettings) -> Finding:
    """Resident memory before the first request.

    PASS: at most `memory_limit_bytes`. FAIL: more. ERROR: this system does not tell.
    """
    check, limit = "acceptance.memory_at_rest", settings.memory_limit_bytes
    if rss_bytes is None:
        return unmeasured(check, subject, "this system does not tell the memory of a process; run the test on Linux.")
    verdict = Verdict.PASS if rss_bytes <= limit else Verdict.FAIL
    reason = f"{megabytes(rss_bytes)} resident before the first request; the limit is {megabytes(limit)}."
    return Finding(check, subject, verdict, reason, rss_bytes, limit, 1)


def judge_growth(subject: str, grown: MemoryGrowth, settings: AcceptanceSettings) -> Finding:
    """Whether memory grows with requests.

    PASS: at most `memory_growth_limit_bytes`. FAIL: more. INCONCLUSIVE: not every request was answered, so that the
    growth is not that of work.
    """
    limit, growth = settings.memory_growth_limit_bytes, grown.growth_bytes
    measured = (
        f"Resident memory changes by {megabytes(growth)} over {count(grown.requests)} requests "
        f"({megabytes(grown.rss_bytes[-1])} at the end); the limit is {megabytes(limit)}."
    )
    details = {"rss_bytes": list(grown.rss_bytes)}
    verdict = Verdict.PASS if growth <= limit else Verdict.FAIL
    if verdict is Verdict.PASS and grown.answered < grown.requests:
        verdict = Verdict.INCONCLUSIVE
        measured += f" {count(grown.requests - grown.answered)} requests were not answered: see the other findings."
    return Finding("acceptance.memory_growth", subject, verdict, measured, growth, limit, grown.answered, details)


def judge_warm_up(subject: str, latencies_s: Sequence[float], settings: AcceptanceSettings) -> Finding:
    """Whether the process is warm when it says that it is ready.

    PASS: the first request takes at most `warm_up_limit_ratio` times the median of the later ones, or meets
    `p99_limit_ms` anyway. FAIL: longer. INCONCLUSIVE: no later requests.
    """
    check, limit = "acceptance.warm_up", settings.warm_up_limit_ratio
    if len(latencies_s) < 2:
        return Finding(check, subject, Verdict.INCONCLUSIVE, "One request alone cannot be compared: give more rows.")
    first_ms, later_ms = 1000 * latencies_s[0], 1000 * statistics.median(latencies_s[1:])
    ratio = first_ms / later_ms
    verdict = Verdict.PASS if ratio <= limit or first_ms <= settings.p99_limit_ms else Verdict.FAIL
    reason = (
        f"The first request takes {first_ms:.1f} ms, {ratio:.1f} times the median of the {len(latencies_s) - 1} after "
        f"it; {number(limit)} times, or {number(settings.p99_limit_ms)} ms, are allowed."
    )
    return Finding(check, subject, verdict, reason, ratio, limit, len(latencies_s), {"first_ms": first_ms})


def judge_contract(subject: str, asked: Sequence[Asked]) -> Finding:
    """Whether every path, right question and bad request is answered as documented.

    PASS: all. FAIL: one is not. INCONCLUSIVE: nothing was asked.
    """
    check = "acceptance.contract"
    faults = [f"{probe.name}: {probe.fault}" for probe in asked if probe.fault]
    details = {"faults": faults, "probes": [probe.name for probe in asked]}
    if not asked:
        return Finding(check, subject, Verdict.INCONCLUSIVE, "Nothing was asked.")
    if not faults:
        reason = f"All {len(asked)} probes are answered as documented."
        return Finding(check, subject, Verdict.PASS, reason, 0, 0, len(asked), details)
    reason = f"{len(faults)} of {len(asked)} probes are answered wrongly: {_some(faults)}."
    return Finding(check, subject, Verdict.FAIL, reason, len(faults), 0, len(asked), details)


def judge_golden(subject: Subject, rows: Rows, answers: GoldenAnswers) -> Finding:
    """Whether the served version answers what its source answered when it was evaluated.

    PASS: every row is answered; fp32: no probability differs by more than the limit of parity, and labels are equal
    but where the source's two best are closer than twice that; quantised: no more labels differ than the flip-rate
    limit of parity admits, by the exact lower bound of their share. FAIL: else.
    """
    unanswered = sum(not label for label in answers.labels)
    pairs = list(zip(rows.probabilities, answers.probabilities, strict=True))
    misshapen = sum(bool(given) and len(given) != len(wanted) for wanted, given in pairs)
    if unanswered or misshapen:
        reason = f"{unanswered} of {len(rows)} golden rows got no prediction, {misshapen} one for other labels."
        return Finding("acceptance.golden", subject.ref, Verdict.FAIL, reason, unanswered + misshapen, 0, len(rows))
    difference = max(max(abs(a - b) for a, b in zip(wanted, given, strict=True)) for wanted, given in pairs)
    flips = [
        place
        for place, (wanted, label) in enumerate(zip(rows.labels, answers.labels, strict=True))
        if wanted != label and margin(rows.probabilities[place]) > 2 * (subject.probability_limit or 0.0)
    ]
    if subject.probability_limit is None:
        return _golden_quantised(subject, len(flips), len(rows), difference)
    limit = subject.probability_limit
    verdict = Verdict.PASS if difference <= limit and not flips else Verdict.FAIL
    reason = (
        f"{len(flips)} of {len(rows)} golden rows get another label than the source gave them, and probabilities "
        f"differ by at most {number(difference)}; no label may, and {number(limit)} is allowed."
    )
    details = {"flips": len(flips), "rows": flips[:20]}
    return Finding("acceptance.golden", subject.ref, verdict, reason, difference, limit, len(rows), details)


def _golden_quantised(subject: Subject, flips: int, rows: int, difference: float) -> Finding:
    from seatrial.stats.clopper_pearson import lower_bound  # scipy: not before it is needed

    bound = lower_bound(flips, rows, subject.confidence)
    limit = subject.flip_rate_limit
    verdict = Verdict.PASS if bound <= limit else Verdict.FAIL
    reason = (
        f"{flips} of {rows} golden rows get another label than the source gave them, at least {bound:.2%} of all; "
        f"{limit:.2%} is allowed. Probabilities differ by at most {number(difference)}."
    )
    details = {"flips": flips, "difference": difference}
    return Finding("acceptance.golden", subject.ref, verdict, reason, bound, limit, rows, details)


def megabytes(size_bytes: float) -> str:
    """A size as people read it.

    Example:
        >>> megabytes(157_286_400), megabytes(-2_100_000)
        ('157 MB', '-2 MB')
    """
    return f"{size_bytes / 1e6:,.0f} MB"


def _some(faults: Sequence[str]) -> str:
    shown = "; ".join(shorten(fault, _SHOWN_LETTERS) for fault in faults[:_SHOWN])
    more = len(faults) - _SHOWN
    return f"{shown}; and {more} more" if more > 0 else shown
