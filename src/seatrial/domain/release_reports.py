"""What data planes have counted for one release, added up: nothing twice, and nothing lost that was ever read.

A data plane counts in memory and writes its tally down every few seconds. After a new start, another process reports
for the same place. Either it has read the tally back: then its report holds what the one before held, but for the last
seconds. Or there was no tally to read: then it counts from zero in a new one, and what was reported of the old one is
added to it. The tally's name tells which of the two it is. Of one tally the larger report is the later one, in whatever
order they arrive; after a kill the last seconds count only once the tally has grown over them again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from typing import Any

from seatrial.domain.release_counters import ArmCounters, ReleaseCounters, StepCounters

__all__ = ["Report", "newest_reports", "total_counters"]


@dataclass(frozen=True, slots=True)
class Report:
    """What one data plane says.

    Attributes:
        process: a name that no other process of it ever gets.
        tally: a name that no other tally of it ever gets; one that is read back after a new start keeps it.
        counters: what the tally holds.
        lost: tallies of earlier processes that were reported and then not found again, added up.
    """

    process: str
    tally: str
    counters: ReleaseCounters
    lost: ReleaseCounters = field(default_factory=ReleaseCounters)

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dictionary."""
        counted = {"counters": self.counters.to_json(), "lost": self.lost.to_json()}
        return {"process": self.process, "tally": self.tally, **counted}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Report:
        """What `to_json` wrote.

        Example:
            >>> report = Report("p-1", "t-1", ReleaseCounters(bake=ArmCounters(3)))
            >>> Report.from_json(report.to_json()) == report
            True
        """
        counters, lost = (ReleaseCounters.from_json(document[name]) for name in ("counters", "lost"))
        return cls(document["process"], document["tally"], counters, lost)


def newest_reports(known: Mapping[str, Report], read: Mapping[str, Report]) -> dict[str, Report]:
    """What is known of each place after reading once more.

    Example:
        >>> def report(tally, requests):
        ...     return {"here": Report("p", tally, ReleaseCounters(bake=ArmCounters(requests)))}
        >>> known = report("first", 100)
        >>> [total_counters(newest_reports(known, report(*read))).bake.requests
        ...  for read in (("first", 120), ("first", 90), ("second", 95))]
        [120, 100, 195]
    """
    newest = {place: _newest(known[place], report) if place in known else report for place, report in read.items()}
    return dict(sorted({**known, **newest}.items()))


def total_counters(reports: Mapping[str, Report]) -> ReleaseCounters:
    """What was counted everywhere together."""
    return _added(counters for report in reports.values() for counters in (report.counters, report.lost))


def _newest(known: Report, read: Report) -> Report:
    if read.tally != known.tally:
        return replace(read, lost=_added((known.counters, known.lost)))
    if _requests(read) >= _requests(known) and len(read.counters.steps) >= len(known.counters.steps):
        return replace(read, lost=known.lost)
    return replace(known, process=read.process)


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
