"""One look at every release: read, decide, save, apply. Killed anywhere, the next look ends in the same place.

Only what was saved is applied, and everything applied is derived from what was saved: the split from the state of the
release, the registry and the index from the alias intents. So a look that begins after a sudden end repeats what had
not been applied, and nothing else.
"""

from __future__ import annotations

import logging
import os
import secrets
import time
from collections.abc import Callable
from dataclasses import replace

from seatrial.domain.errors import DependencyError, LeaseLostError, LedgerConflictError, SeatrialError
from seatrial.domain.evidence import Finding, Verdict
from seatrial.domain.model import Alias
from seatrial.domain.release import Action, Decision, TrafficSplit
from seatrial.domain.release_reports import newest_reports, total_counters
from seatrial.flows import followers
from seatrial.flows.release_moves import moves_with, wanted_split
from seatrial.store.experiments import ExperimentRecord
from seatrial.store.releases import ReleaseChange, ReleaseRecord, told_by
from seatrial.wiring.steering import Steering, decide
from seatrial.wiring.workshop import Workshop

__all__ = ["REACH_CHECK", "Controller"]

REACH_CHECK = "release.reach"
"""Whether the data plane could be asked what it has counted."""
_log = logging.getLogger(__name__)

Applied = tuple[TrafficSplit, object]


class Controller:
    """Moves releases on while it holds the lease of the store.

    Args:
        workshop: whose store, registry and index are meant.
        steering: where splits are set and counters are read.
        clock: seconds since the epoch.
    """

    def __init__(self, workshop: Workshop, steering: Steering, clock: Callable[[], float] = time.time) -> None:
        self._workshop = workshop
        self._steering = steering
        self._clock = clock
        self._applied: dict[str, Applied] = {}
        self.active = False
        """Whether the last look found the lease to be ours."""
        self.holder = f"{os.uname().nodename}:{os.getpid()}:{secrets.token_hex(4)}"

    @property
    def actor(self) -> str:
        """Who goes on record for what nobody decided by hand."""
        return "controller"

    def look(self) -> list[Decision] | None:
        """Looks at every release once; None where another controller is the active one.

        Raises:
            LeaseLostError: another controller took over during the look.
            SeatrialError: nothing was decided about one model at least, since the store or its record cannot be used.
        """
        book, ttl_s = self._workshop.store.releases, self._workshop.settings.control.lease_s
        lease = book.lease(self.holder, self._clock(), ttl_s)
        self.active = lease is not None
        if lease is None:
            self._applied.clear()  # whoever has it may set another split meanwhile
            return None
        decisions, faults = [], []
        released, compared = book.latest(), self._workshop.store.experiments.latest()
        for model in released | compared:
            current = released.get(model)
            try:
                if current is not None and not current.state.phase.over:
                    current, decision = self._decided(current, lease.fence)
                    decisions.append(decision)
                self._follow(model, current, compared.get(model), lease.fence)
            except LeaseLostError:
                raise
            except SeatrialError as fault:  # a row that somebody edited, say: no other model waits for its repair
                faults.append(fault)
        if faults:
            raise faults[0]
        return decisions

    def close(self) -> None:
        """Lets the next controller begin at once."""
        self.active = False
        self._workshop.store.releases.yield_lease(self.holder)

    def _decided(self, record: ReleaseRecord, fence: int) -> tuple[ReleaseRecord, Decision]:
        """Reads the counters, decides, saves; one log line."""
        state, now_s = record.state, self._clock()
        reports = record.reports
        try:
            read = self._steering.metrics.counters(state.release)
        except DependencyError as error:
            self._applied.pop(state.model, None)
            decision = Decision(Action.HOLD, state.subject, f"Held: {error}", (_out_of_reach(record, str(error)),))
        else:
            if not read or any(
                place not in reports or reports[place].process != one.process for place, one in read.items()
            ):
                self._applied.pop(state.model, None)  # a new process may not know the release yet
            reports = newest_reports(record.reports, read)
            counters = replace(total_counters(reports), before=record.baseline.before)
            if len(counters.steps) > state.step + 1:
                raise LeaseLostError(
                    f"The data plane is in a later step of {state.release} than the record that was read: another "
                    "controller has taken over, or the store was put back from a backup (then roll the release back)."
                )
            acts = self._workshop.store.releases.acts(state.release)
            decision = decide(record.plan, state, counters, now_s, acts)
        change = ReleaseChange(
            state.after(decision, record.plan, now_s),
            reports,
            decision if decision.action is not Action.HOLD or told_by(decision) != record.told else None,
            moves_with(decision.action, state, self._workshop.store.aliases(state.model)),
        )
        if change.decision is not None or change.state != state or change.reports != record.reports:
            try:
                record = self._workshop.store.releases.save(record, change, actor=self.actor, fence=fence)
            except LedgerConflictError:  # a person was faster: the next look sees what they did
                return self._workshop.store.releases.get(state.release), decision
        fields = {"release": state.release, "subject": state.subject, "action": decision.action.value}
        _log.info("decision", extra={**fields, "step": state.step + 1, "reason": decision.reason})
        return record, decision

    def _follow(
        self, model: str, record: ReleaseRecord | None, experiment: ExperimentRecord | None, fence: int
    ) -> None:
        """Makes traffic, registry and index what the record says; what does not answer follows at a later look."""
        try:
            self._route(model, record, experiment, fence)
        except DependencyError as error:
            self._applied.pop(model, None)
            _log.warning("traffic does not follow yet", extra={"model": model, "reason": str(error)})
        try:
            followers.reconcile(self._workshop, model)
        except DependencyError as error:
            _log.warning("registry or index does not follow yet", extra={"model": model, "reason": str(error)})

    def _route(self, model: str, record: ReleaseRecord | None, experiment: ExperimentRecord | None, fence: int) -> None:
        watched = None if record is None else record.watched
        assignment = None if experiment is None or experiment.over or watched else experiment.assignment
        split = wanted_split(self._workshop.store.aliases(model).get(Alias.PRODUCTION), record, experiment)
        if split is None:
            return
        wanted: Applied = split, watched or assignment
        router = self._steering.router
        if self._applied.get(model) == wanted and router.current(model) == split:
            return
        router.apply(split, fence=fence, watched=watched, experiment=assignment)
        if watched is None:
            for version in _compared(record, experiment) - {version for version, _ in split.percents}:
                router.retire(model, version)
        self._applied[model] = wanted


def _compared(record: ReleaseRecord | None, experiment: ExperimentRecord | None) -> set[int]:
    """Versions that the last release or experiment of a model has loaded."""
    versions = set() if record is None else {record.state.champion, record.state.challenger}
    return versions if experiment is None else versions | {experiment.plan.control, experiment.plan.treatment}


def _out_of_reach(record: ReleaseRecord, reason: str) -> Finding:
    return Finding(
        REACH_CHECK, record.state.subject, Verdict.ERROR, reason, details={"step": record.state.step}
    )  # fmt: skip
