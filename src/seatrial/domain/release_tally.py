"""Turns requests into the counters of a release: for each unit, the first event of the release and no other."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from seatrial.domain.release_counters import (
    Arm,
    ArmCounters,
    FrozenBaseline,
    ReleaseCounters,
    StepCounters,
)

__all__ = ["ReleaseTally", "SeenUnits", "Served", "TallyChanges"]

DEFAULT_UNITS = 1_000_000

SeenUnits = Mapping[int, tuple[int, int]]
"""By the hash of a unit: one bit for each step it was seen in (the first: the bake), one for each counter it is in."""

_BAKE = 1
"""The bit of the bake; that of step 0 is the next one."""


@dataclass(frozen=True, slots=True)
class Served:
    """What one logical request says about the version that took it; a client's own mistakes are not handed in.

    Attributes:
        arm: where it was routed.
        unit: user or session; None where the request is its own.
        failed: it failed by our fault.
        latency_s: the time it took, failed or not.
        labels: the classes it was answered with.
    """

    arm: Arm
    unit: str | None
    failed: bool
    latency_s: float
    labels: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class TallyChanges:
    """What to write down of a tally.

    Attributes:
        counters: all of them.
        units: those that were seen since the last time.
    """

    counters: ReleaseCounters
    units: SeenUnits


class ReleaseTally:
    """Counts the requests of one release.

    The memory of units is bounded. When it is full, a unit that is not in it adds requests and nothing else: whether
    it is known says nothing about the arm it is in, so what is counted stays exact.
    """

    def __init__(self, baseline: FrozenBaseline, *, max_units: int = DEFAULT_UNITS) -> None:
        """An empty tally; `max_units` bounds its memory (some 200 bytes each)."""
        self._baseline = baseline
        self._places = {label: place for place, label in enumerate(baseline.labels)}
        self._mirrored = 1 << (1 + len(baseline.thresholds_s) + len(baseline.labels))
        self._max_units = max_units
        self._seen: dict[int, tuple[int, int]] = {}
        self._changed: set[int] = set()
        self._steps: list[_StepCounting] = []
        self._bake = _Counting(baseline)
        self.unknown_units = 0

    @classmethod
    def restored(
        cls,
        baseline: FrozenBaseline,
        counters: ReleaseCounters,
        units: SeenUnits,
        *,
        max_units: int = DEFAULT_UNITS,
    ) -> ReleaseTally:
        """A tally that goes on where another one was when it wrote down its changes."""
        tally = cls(baseline, max_units=max_units)
        tally._seen.update(units)
        for step in counters.steps:
            tally.begin_step()
            tally._steps[-1].restore(step)
        tally._bake.restore(counters.bake)
        return tally

    @property
    def steps(self) -> int:
        """How many steps have begun."""
        return len(self._steps)

    def begin_step(self) -> None:
        """From now on requests belong to the next step."""
        self._steps.append(_StepCounting(self._baseline))

    def count(self, served: Served, step: int | None = None) -> None:
        """Counts one request in the step in which it was routed, counted from 0; None: the running one.

        Raises:
            IndexError: that step has not begun.
        """
        place = len(self._steps) - 1 if step is None else step
        self._count(served, self._steps[place].arms[served.arm], _BAKE << (1 + place))

    def count_baked(self, served: Served) -> None:
        """Counts one request that was routed after the full rollout."""
        self._count(served, self._bake, _BAKE)

    def count_mirrored(self, unit: str | None, disagreed: bool, step: int) -> None:
        """Counts one request of the champion, routed in that step, that the challenger answered as well.

        Raises:
            IndexError: that step has not begun.
        """
        counting = self._steps[step]
        if unit is not None:
            key = _key(unit)
            seen_in, counted = self._seen.get(key, (0, 0))
            if counted & self._mirrored:
                return
            if not seen_in and len(self._seen) >= self._max_units:
                return  # counted among the unknown when it was served
            self._remember(key, seen_in, counted | self._mirrored)
        counting.mirrored += 1
        counting.disagreements += disagreed

    def counters(self) -> ReleaseCounters:
        """The counters so far."""
        return ReleaseCounters(tuple(step.frozen() for step in self._steps), self._bake.frozen())

    def changes(self, *, whole: bool = False) -> TallyChanges:
        """The counters, and the units that were seen since this was last called; `whole`: all units."""
        changed, self._changed = self._changed, set()
        units = dict(self._seen) if whole else {key: self._seen[key] for key in changed}
        return TallyChanges(self.counters(), units)

    def _count(self, served: Served, arm: _Counting, step_bit: int) -> None:
        arm.requests += 1
        arm.failed += served.failed
        bits = self._bits(served)
        if served.unit is None:
            arm.units += 1
            arm.add(bits)
            return
        key = _key(served.unit)
        seen_in, counted = self._seen.get(key, (0, 0))
        if not seen_in and not counted and len(self._seen) >= self._max_units:
            self.unknown_units += 1
            return
        arm.units += not seen_in & step_bit
        if bits & ~counted:
            arm.add(bits & ~counted)
        self._remember(key, seen_in | step_bit, counted | bits)

    def _remember(self, key: int, seen_in: int, counted: int) -> None:
        if self._seen.get(key) != (seen_in, counted):
            self._seen[key] = (seen_in, counted)
            self._changed.add(key)

    def _bits(self, served: Served) -> int:
        """One bit for each counter the request belongs to: failed, over each threshold, of each class."""
        bits = int(served.failed)
        for place, threshold_s in enumerate(self._baseline.of_arm(served.arm)):
            if served.latency_s <= threshold_s:
                break  # thresholds rise
            bits |= 2 << place
        first = 1 + len(self._baseline.thresholds_s)
        for label in served.labels:
            place = self._places.get(label, -1)
            if place >= 0:
                bits |= 1 << (first + place)
        return bits


def _key(unit: str) -> int:
    """64 bits of a hash: two of a million units share one with a probability of one in 40 million."""
    return int.from_bytes(hashlib.blake2b(unit.encode("utf-8", "surrogatepass"), digest_size=8).digest())


class _Counting:
    """One arm of a step, while it is counted."""

    __slots__ = ("_events", "_thresholds", "failed", "requests", "units")

    def __init__(self, baseline: FrozenBaseline) -> None:
        self._thresholds = len(baseline.thresholds_s)
        self._events = [0] * (1 + self._thresholds + len(baseline.labels))
        self.requests = self.failed = self.units = 0

    def add(self, bits: int) -> None:
        """One more for each bit."""
        while bits:
            lowest = bits & -bits
            self._events[lowest.bit_length() - 1] += 1
            bits ^= lowest

    def restore(self, counters: ArmCounters) -> None:
        """Goes on from these."""
        self.requests, self.failed, self.units = counters.requests, counters.failed_requests, counters.units
        self._events = [counters.errors, *counters.slow, *counters.classes]

    def frozen(self) -> ArmCounters:
        """The value of this moment."""
        slow = self._events[1 : 1 + self._thresholds]
        classes = self._events[1 + self._thresholds :]
        return ArmCounters(self.requests, self.failed, self.units, self._events[0], tuple(slow), tuple(classes))


class _StepCounting:
    """Both arms of a step, while they are counted."""

    __slots__ = ("arms", "disagreements", "mirrored")

    def __init__(self, baseline: FrozenBaseline) -> None:
        self.arms = {arm: _Counting(baseline) for arm in Arm}
        self.mirrored = self.disagreements = 0

    def restore(self, counters: StepCounters) -> None:
        """Goes on from these."""
        self.arms[Arm.CHAMPION].restore(counters.champion)
        self.arms[Arm.CHALLENGER].restore(counters.challenger)
        self.mirrored, self.disagreements = counters.mirrored, counters.disagreements

    def frozen(self) -> StepCounters:
        """The values of this moment."""
        return StepCounters(
            self.arms[Arm.CHAMPION].frozen(), self.arms[Arm.CHALLENGER].frozen(), self.mirrored, self.disagreements
        )
