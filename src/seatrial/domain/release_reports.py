"""What several processes have counted for one release, added up: nothing twice, nothing lost that was ever read.

A data plane counts in its memory. When it starts anew, it counts from zero under another name. So the last report of
each process is kept, and the sum over all processes is what a release has counted. Reports of one process only grow:
of two the larger one is the later one, in whatever order they arrive. What a process counted after its last report and
before its sudden end is not known to anybody, for both versions alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import zip_longest

from seatrial.domain.release_counters import ArmCounters, ReleaseCounters, StepCounters

__all__ = ["newest_reports", "total_counters"]


def newest_reports(
    known: Mapping[str, ReleaseCounters], read: Mapping[str, ReleaseCounters]
) -> dict[str, ReleaseCounters]:
    """The latest report of each process, of those known before and those just read.

    Example:
        >>> early, late = ReleaseCounters(bake=ArmCounters(1)), ReleaseCounters(bake=ArmCounters(2))
        >>> newest_reports({"a": late}, {"a": early, "b": early}) == {"a": late, "b": early}
        True
    """
    newest = dict(known)
    for process, report in read.items():
        before = newest.get(process)
        if before is None or _size(report) >= _size(before):
            newest[process] = report
    return dict(sorted(newest.items()))


def total_counters(reports: Mapping[str, ReleaseCounters]) -> ReleaseCounters:
    """What all processes have counted together.

    Example:
        >>> reports = {"a": ReleaseCounters(bake=ArmCounters(1)), "b": ReleaseCounters(bake=ArmCounters(2))}
        >>> total_counters(reports).bake.requests
        3
    """
    steps = zip_longest(*(report.steps for report in reports.values()), fillvalue=StepCounters())
    return ReleaseCounters(
        tuple(
            StepCounters(
                _arms(step.champion for step in column),
                _arms(step.challenger for step in column),
                sum(step.mirrored for step in column),
                sum(step.disagreements for step in column),
            )
            for column in steps
        ),
        _arms(report.bake for report in reports.values()),
    )


def _size(report: ReleaseCounters) -> tuple[int, int, int]:
    """What can only grow while a process lives."""
    requests = sum(step.requests for step in report.steps) + report.bake.requests
    return len(report.steps), requests, sum(step.mirrored for step in report.steps)


def _arms(arms: Iterable[ArmCounters]) -> ArmCounters:
    listed = list(arms)
    return ArmCounters(
        requests=sum(arm.requests for arm in listed),
        failed_requests=sum(arm.failed_requests for arm in listed),
        units=sum(arm.units for arm in listed),
        errors=sum(arm.errors for arm in listed),
        slow=_columns(arm.slow for arm in listed),
        classes=_columns(arm.classes for arm in listed),
    )


def _columns(counts: Iterable[tuple[int, ...]]) -> tuple[int, ...]:
    """Sums by place; an arm that has not counted yet has no places."""
    return tuple(map(sum, zip_longest(*counts, fillvalue=0)))
