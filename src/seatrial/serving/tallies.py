"""The tallies of the releases that run in this process: fed by records, written down every few seconds."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from seatrial.domain.errors import ReleaseNotCountedError, SeatrialError
from seatrial.domain.inference import Outcome, PredictionRecord
from seatrial.domain.release_counters import Arm, ArmCounters, ReleaseCounters, ReleasePlace
from seatrial.domain.release_tally import ReleaseTally, Served
from seatrial.serving.split_orders import ReleaseContext
from seatrial.serving.tally_file import Remembered, TallyFile

__all__ = ["Tallies", "UnitsSample"]

logger = logging.getLogger(__name__)

_SAVE_EVERY_S = 2.0

_COUNTED = frozenset({Outcome.SUCCESS, Outcome.ERROR, Outcome.EXPIRED})
"""Outcomes that say something about the version. A refusal for overload does not: it is decided at the one queue that
all versions share, before any version has done anything, as often for one as for the other. A client's mistake, or
its hanging up, is no fault of a version at all."""


class UnitsSample(NamedTuple):
    """One value of `release_units_total`."""

    model: str
    version: str
    guard: str
    event: str
    units: int


@dataclass(slots=True)
class _Counted:
    """One release that is counted."""

    model: str
    context: ReleaseContext
    tally: ReleaseTally
    file: TallyFile | None
    name: str
    saved: ReleaseCounters | None = None


class Tallies:
    """A RecordSink that counts requests for the release and the step in which they were routed.

    Of each model, the last release is kept: requests that were routed in it may end after it.
    """

    def __init__(self) -> None:
        self._releases: dict[str, _Counted] = {}
        self._directory: Path | None = None
        self._saving = asyncio.Lock()
        self._failing = False

    def keep_in(self, directory: Path) -> None:
        """Writes the tallies into files there from now on."""
        self._directory = directory

    def enter(self, model: str, context: ReleaseContext, *, restore: bool = False) -> None:
        """Begins a release or its next step; what has begun already goes on.

        Args:
            restore: read what was written down of it before this process began.
        """
        counted = self._releases.get(context.id)
        if counted is None:
            counted = self._begin(model, context, restore)
            self._releases = {release: other for release, other in self._releases.items() if other.model != model} | {
                context.id: counted
            }
        counted.context = context
        while counted.tally.steps <= context.step:
            counted.tally.begin_step()

    def counters(self, release: str) -> ReleaseCounters:
        """The counters of a release, over all its steps and the restarts between them.

        Raises:
            ReleaseNotCountedError: it does not run here.
        """
        if release not in self._releases:
            raise ReleaseNotCountedError(f"No release {release[:128]!r} is counted here: order its split first.")
        return self._releases[release].tally.counters()

    def name(self, release: str) -> str:
        """Name of a release's tally, which it keeps over restarts that read it back."""
        return self._releases[release].name

    def record(self, record: PredictionRecord) -> None:
        """Counts one request, if it was routed in a release."""
        place = record.place
        if place is None or record.outcome not in _COUNTED:
            return
        counted = self._releases.get(place.release)
        if counted is None:
            return
        failed = record.outcome is not Outcome.SUCCESS
        served = Served(place.arm, record.unit, failed, record.latency_s, record.labels)
        if place.step is None:
            counted.tally.count_baked(served)
        else:
            counted.tally.count(served, place.step)

    def record_mirrored(self, place: ReleasePlace, unit: str | None, *, disagreed: bool) -> None:
        """Counts one request of the champion that the challenger has answered as well."""
        counted = self._releases.get(place.release)
        if counted is not None and place.step is not None:
            counted.tally.count_mirrored(unit, disagreed, place.step)

    def samples(self) -> Iterator[UnitsSample]:
        """How many units had each event of each guard so far."""
        for counted in self._releases.values():
            yield from _samples(counted)

    async def save_regularly(self) -> None:
        """Writes down what has changed, every few seconds, until it is cancelled."""
        while True:
            await asyncio.sleep(_SAVE_EVERY_S)
            await asyncio.shield(self.save())  # a thread cannot be cancelled: whoever saves next waits for it

    async def save(self) -> None:
        """Writes down what has changed; a disk that refuses is reported once, and asked again the next time."""
        async with self._saving:
            for counted in list(self._releases.values()):
                counters = counted.tally.counters()
                if counted.file is None or counters == counted.saved:
                    continue
                whole = counted.file.wants_whole
                changes = counted.tally.changes(whole=whole)
                try:
                    await asyncio.to_thread(counted.file.write, changes, whole=whole)
                except (OSError, SeatrialError) as error:
                    if not self._failing:
                        logger.warning("release counters not written", extra={"reason": str(error)})
                    self._failing = True
                else:
                    self._failing, counted.saved = False, counters

    def _begin(self, model: str, context: ReleaseContext, restore: bool) -> _Counted:
        path = None if self._directory is None else self._directory / f"{quote(model, safe='')}.tally"
        file = None if path is None else TallyFile(path, context.id)
        remembered = _read(file) if file is not None and restore else None
        if remembered is None:
            return _Counted(model, context, ReleaseTally(context.baseline), file, _name(file))
        tally = ReleaseTally.restored(context.baseline, remembered.counters, remembered.units)
        logger.info("release counters restored", extra={"release": context.id, "units": len(remembered.units)})
        return _Counted(model, context, tally, file, _name(file))


def _name(file: TallyFile | None) -> str:
    """What tells this tally from one that is begun anew."""
    return uuid.uuid4().hex if file is None else file.tally


def _read(file: TallyFile) -> Remembered | None:
    """What the file says; one that is damaged in a way no kill explains is reported, and counting begins anew."""
    try:
        return file.read()
    except (OSError, ValueError, KeyError, TypeError) as error:
        logger.error("release counters not restored", extra={"reason": repr(error)})  # noqa: TRY400  says it all
        return None


def _samples(counted: _Counted) -> Iterator[UnitsSample]:
    context, counters = counted.context, counted.tally.counters()
    arms = {
        (context.champion, Arm.CHAMPION): [step.champion for step in counters.steps],
        (context.challenger, Arm.CHALLENGER): [*(step.challenger for step in counters.steps), counters.bake],
    }
    for (version, arm), parts in arms.items():
        for guard, event, units in _events(counted, arm, parts):
            yield UnitsSample(counted.model, str(version), guard, event, units)
    challenger = str(context.challenger)
    mirrored, disagreed = (
        sum(getattr(step, name) for step in counters.steps) for name in ("mirrored", "disagreements")
    )
    yield UnitsSample(counted.model, challenger, "disagreement", "mirrored", mirrored)
    yield UnitsSample(counted.model, challenger, "disagreement", "disagreed", disagreed)


def _events(counted: _Counted, arm: Arm, parts: list[ArmCounters]) -> Iterator[tuple[str, str, int]]:
    baseline = counted.context.baseline
    yield "split", "arrived", sum(part.units for part in parts)
    yield "errors", "failed", sum(part.errors for part in parts)
    for place, threshold_s in enumerate(baseline.of_arm(arm)):
        yield "latency", f"over_{threshold_s:g}_s", sum(part.slow[place] for part in parts)
    for place, label in enumerate(baseline.labels):
        yield "classes", label, sum(part.classes[place] for part in parts)
