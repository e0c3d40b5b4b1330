"""What data planes have counted for one release, added up: nothing twice, and nothing lost that was ever read.

A data plane counts in memory and writes its tally down every few seconds. After a new start, another process reports
for the same place. Either it has read the tally back: then its report holds what the one before held, but for the last
seconds. Or there was no tally to read: then it counts from zero, and what was reported before is added to it. Which of
the two it is, the size tells: a report of less than half the requests began anew. Of one process the larger report is
the later one, in whatever order they arrive. In doubt too little is counted, never the same twice: a release then takes
a little longer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from seatrial.domain.release_counters import ArmCounters, ReleaseCounters, StepCounters

__all__ = ["Report", "newest_reports", "total_counters"]


@dataclass(frozen=True, slots=True)
class Report:
    """What one data plane says.

    Attributes:
        process: a name that no other process of it ever gets.
        counters: its tally.
        lost: tallies of earlier processes that were reported and then not found again, added up.
    """

    process: str
    counters: ReleaseCounters
    lost: ReleaseCounters = field(default_factory=ReleaseCounters)

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dictionary."""
        return {"process": self.process, "counters": self.counters.to_json(), "lost": self.lost.to_json()}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Report:
        """What `to_json` wrote.

        Example:
            >>> report = Report("p-1", ReleaseCounters(bake=ArmCounters(3)))
            >>> Report.from_json(report.to_json()) == report
            True
        """
        counters, lost = (ReleaseCounters.from_json(document[name]) for name in ("counters", "lost"))
        return cls(document["process"], counters, lost)


def newest_reports(known: Mapping[str, Report], read: Mapping[str, Report]) -> dict[str, Report]:
    """What is known of each place after reading once more.

    Example:
        >>> def report(process, requests):
        ...     return {"here": Report(process, ReleaseCounters(bake=ArmCounters(requests)))}
        >>> known = report("first", 100)
        >>> [total_counters(newest_reports(known, report(*read))).bake.requests
        ...  for read in (("first", 120), ("first", 90), ("second", 95), ("second", 110), ("second", 5))]
        [120, 100, 100, 110, 105]
    """
    newest = {place: _newest(known[place], report) if place in known else report for place, report in read.items()}
    return dict(sorted({**known, **newest}.items()))


def total_counters(reports: Mapping[str, Report]) -> ReleaseCounters:
    """What was counted everywhere together."""
    return _added(counters for report in reports.values() for counters in (report.counters, report.lost))


def _newest(known: Report, read: Report) -> Report:
    if _requests(read) >= _requests(known) and len(read.counters.steps) >= len(known.counters.steps):
        return Report(read.process, read.counters, known.lost)
    if read.process == known.process or 2 * _requests(read) >= _requests(known):
        return Report(read.process, known.counters, known.lost)
    return Report(read.process, read.counters, _added((known.counters, known.lost)))


def _requests(report: Report) -> int:
    return sum(step.requests for step in report.counters.steps) + report.counters.bake.requests


def _added(counters: Iterable[ReleaseCounters]) -> ReleaseCounters:
    listed = list(counters)
    columns = zip_longest(*(one.steps for one in listed), fillvalue=StepCounters())
    return ReleaseCounters(
        tuple(
            StepCounters(
                _arms(step.champion for step in column),
                _arms(step.challenger for step in column),
                sum(step.mirrored for step in column),
                sum(step.disagreements for step in column),
            )
            for column in columns
        ),
        _arms(one.bake for one in listed),
    )


def _arms(arms: Iterable[ArmCounters]) -> ArmCounters:
    listed = list(arms)
    return ArmCounters(
        requests=sum(arm.requests for arm in listed),
        failed_requests=sum(arm.failed_requests for arm in listed),
        units=sum(arm.units for arm in listed),
        errors=sum(arm.errors for arm in listed),
        slow=_places(arm.slow for arm in listed),
        classes=_places(arm.classes for arm in listed),
    )


def _places(counts: Iterable[tuple[int, ...]]) -> tuple[int, ...]:
    """Sums by place; an arm that has not counted yet has no places."""
    return tuple(map(sum, zip_longest(*counts, fillvalue=0)))
