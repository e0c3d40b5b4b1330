"""The deployment test itself: starts the version, measures one thing after the other, and judges each.

A check that cannot be made becomes a finding of its own (ERROR), and the others go on: each finding of an earlier test
is replaced.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from seatrial.acceptance import judgement, load_judgement, loads
from seatrial.acceptance.contract import ask_contract
from seatrial.acceptance.figures import CurvePoint
from seatrial.acceptance.golden import ask_golden
from seatrial.acceptance.subject import Served, Start, Subject
from seatrial.config import AcceptanceSettings
from seatrial.domain.errors import SeatrialError
from seatrial.domain.evidence import Finding
from seatrial.domain.progress import Progress
from seatrial.loadgen import usage

__all__ = ["Trial", "quicker", "try_version"]

_QUICK_RATIO = 0.25


@dataclass(frozen=True, slots=True)
class Trial:
    """What a deployment test came to.

    Attributes:
        subject: ``name@version/artifact``.
        findings: one for each of `judgement.CHECKS`, in that order.
        curve: the capacity curve, as far as it could be measured.
    """

    subject: str
    settings: AcceptanceSettings
    findings: tuple[Finding, ...]
    curve: tuple[CurvePoint, ...] = ()


@dataclass(frozen=True, slots=True)
class _Given:
    """What each stage works with; `curve` grows."""

    subject: Subject
    served: Served
    settings: AcceptanceSettings
    curve: list[CurvePoint] = field(default_factory=list)


class _Stage(NamedTuple):
    """Some checks that are made together."""

    name: str
    make: Callable[[_Given], list[Finding]]
    checks: tuple[str, ...]


def quicker(settings: AcceptanceSettings) -> AcceptanceSettings:
    """The same limits with a quarter of the time and of the requests, for a first look.

    Example:
        >>> quicker(AcceptanceSettings(window_s=8.0)).window_s
        2.0
    """
    return settings.model_copy(
        update={
            "window_s": _QUICK_RATIO * settings.window_s,
            "curve_window_s": _QUICK_RATIO * settings.curve_window_s,
            "overload_s": _QUICK_RATIO * settings.overload_s,
            "memory_requests": max(100, round(_QUICK_RATIO * settings.memory_requests)),
        }
    )


def try_version(subject: Subject, start: Start, settings: AcceptanceSettings, progress: Progress) -> Trial:
    """Starts the version, makes every check, and ends the process."""
    made: dict[str, Finding] = {}
    curve: list[CurvePoint] = []
    with progress.step("deployment test", len(_STAGES) + 1) as step:
        try:
            with start() as served:
                made["acceptance.start_up"] = judgement.judge_start_up(subject.ref, served.ready_s, settings)
                given = _Given(subject, served, settings, curve)
                for stage in _STAGES:
                    step.advance(note=stage.name)
                    made |= {finding.check: finding for finding in _made(stage, given)}
                step.advance()
        except SeatrialError as error:
            made |= {check: _unmeasured(check, subject, error) for check in judgement.CHECKS if check not in made}
    return Trial(subject.ref, settings, tuple(made[check] for check in judgement.CHECKS), tuple(curve))


def _made(stage: _Stage, given: _Given) -> list[Finding]:
    """The findings of a stage; where it could not be made, they say why."""
    try:
        return stage.make(given)
    except SeatrialError as error:
        return [_unmeasured(check, given.subject, error) for check in stage.checks]


def _unmeasured(check: str, subject: Subject, error: SeatrialError) -> Finding:
    return judgement.unmeasured(check, subject.ref, str(error))


def _rest(given: _Given) -> list[Finding]:
    memory = usage.memory(given.served.pid)
    return [judgement.judge_rest(given.subject.ref, memory.rss_bytes if memory else None, given.settings)]


def _golden(given: _Given) -> list[Finding]:
    rows = given.subject.rows.first(given.settings.golden_rows)
    answers = ask_golden(given.served.url, rows, given.subject.max_length)
    return [
        judgement.judge_warm_up(given.subject.ref, answers.latencies_s, given.settings),
        judgement.judge_golden(given.subject, rows, answers),
    ]


def _contract(given: _Given) -> list[Finding]:
    return [judgement.judge_contract(given.subject.ref, ask_contract(given.served, given.subject))]


def _growth(given: _Given) -> list[Finding]:
    grown = loads.watch_memory(given.served, given.subject, given.settings)
    return [judgement.judge_growth(given.subject.ref, grown, given.settings)]


def _latency(given: _Given) -> list[Finding]:
    result = loads.at_rate(given.served, given.subject, given.settings)
    return [load_judgement.judge_latency(given.subject.ref, result, given.settings)]


def _capacity(given: _Given) -> list[Finding]:
    judged = given.settings.clients
    for clients in sorted({*given.settings.curve_clients, judged}):
        result = loads.with_clients(given.served, given.subject, clients, given.settings.curve_window_s)
        given.curve.append(CurvePoint(clients, result))
    result = next(point.result for point in given.curve if point.clients == judged)
    return [load_judgement.judge_throughput(given.subject.ref, result, given.settings)]


def _overload(given: _Given) -> list[Finding]:
    overload = loads.overload(given.served, given.subject, given.settings)
    return [
        load_judgement.judge_overload(given.subject.ref, overload, given.settings),
        load_judgement.judge_recovery(given.subject.ref, overload.recovered_s, given.settings),
    ]


def _shutdown(given: _Given) -> list[Finding]:
    ended = loads.end_under_load(given.served, given.subject, given.settings)
    return [load_judgement.judge_shutdown(given.subject.ref, ended, given.subject.limits.end_within_s)]


_STAGES = (
    _Stage("memory at rest", _rest, ("acceptance.memory_at_rest",)),
    _Stage("golden rows", _golden, ("acceptance.warm_up", "acceptance.golden")),
    _Stage("contract", _contract, ("acceptance.contract",)),
    _Stage("memory over requests", _growth, ("acceptance.memory_growth",)),
    _Stage("latency", _latency, ("acceptance.latency",)),
    _Stage("capacity", _capacity, ("acceptance.throughput",)),
    _Stage("overload", _overload, ("acceptance.overload", "acceptance.recovery")),
    _Stage("shutdown", _shutdown, ("acceptance.shutdown",)),
)
"""In order: the first request of the process is a golden one, and the last thing it does is to end."""
