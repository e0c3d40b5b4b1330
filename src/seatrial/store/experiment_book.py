"""Everything durable about experiments: each change and what the ledger says of it commit together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from seatrial.domain.assignment import Intake
from seatrial.domain.errors import LedgerConflictError, UnknownExperimentError
from seatrial.domain.evidence import Finding
from seatrial.domain.model import Alias
from seatrial.store import aliases as intents
from seatrial.store.database import Database
from seatrial.store.entries import append_drafts
from seatrial.store.experiments import (
    ExperimentRecord,
    close_experiment,
    insert_epoch,
    insert_experiment,
    read_experiments,
    refuse_second,
)
from seatrial.store.ledger import EntryDraft, EntryKind, LedgerEntry
from seatrial.store.releases import read_releases

__all__ = ["ExperimentBook"]


class ExperimentBook:
    """The experiments of a store; safe to use from many threads and processes at once.

    Args:
        announce: told of every ledger entry once it is durable.
    """

    def __init__(
        self, database: Database, clock: Callable[[], datetime], announce: Callable[[list[LedgerEntry]], None]
    ) -> None:
        self._database = database
        self._clock = clock
        self._announce = announce

    def begin(self, record: ExperimentRecord, reason: str, actor: str) -> ExperimentRecord:
        """Writes an experiment that begins.

        Raises:
            LedgerConflictError: an experiment or a release of the model is under way, or nothing is in production.
        """
        plan = record.plan
        assigned = record.assignment.to_json()  # an impossible one is refused before anything is written
        with self._database.write() as connection:
            refuse_second(connection, plan.model)
            released = read_releases(connection, active_model=plan.model)
            if released:
                raise LedgerConflictError(
                    f"Release {released[0].state.release} of {plan.model} is under way, and both would split its "
                    "traffic: wait for its end first."
                )
            production = {intent.alias: intent.version for intent in intents.read_intents(connection, plan.model)}
            if production.get(Alias.PRODUCTION) is None:
                raise LedgerConflictError(f"Nothing of {plan.model} is in production any more: look again.")
            facts = {"plan": plan.to_json(), "plan_sha256": plan.sha256, "assignment": assigned}
            at = self._clock()
            entries = append_drafts(connection, [_decided(record, "start", reason, actor, **facts)], at)
            insert_experiment(connection, record, entries[0].seq)
        self._announce(entries)
        return replace(record, started_at_s=(at.timestamp(),))

    def open_epoch(self, experiment: str, intake: Intake, reason: str, actor: str) -> ExperimentRecord:
        """Writes that further units are taken in; those who take part stay where they are.

        Raises:
            UnknownExperimentError: there is none of that name.
            LedgerConflictError: it is over.
            ExperimentPlanError: the epoch takes nobody in, or its share is impossible.
        """
        with self._database.write() as connection:
            record = _running(connection, experiment)
            at = self._clock()
            grown = replace(
                record,
                intakes=(*record.intakes, intake),
                started_at_s=(*record.started_at_s, at.timestamp()),
            )
            draft = _decided(record, "epoch", reason, actor, assignment=grown.assignment.to_json())
            entries = append_drafts(connection, [draft], at)
            insert_epoch(connection, grown, entries[0].seq)
        self._announce(entries)
        return grown

    def end(
        self, experiment: str, verdict: str, reason: str, findings: Sequence[Finding], actor: str
    ) -> ExperimentRecord:
        """Writes that an experiment was stopped, with what was found.

        Args:
            findings: each goes on record about the version it names; the decision to stop cites them.

        Raises:
            UnknownExperimentError: there is none of that name.
            LedgerConflictError: it is over already.
        """
        with self._database.write() as connection:
            record = _running(connection, experiment)
            plan, at = record.plan, self._clock()
            documents = [finding.to_json() for finding in findings]
            drafts = [EntryDraft(EntryKind.FINDING, plan.model, plan.treatment, one, actor) for one in documents]
            facts = {"verdict": verdict, "findings": documents}
            entries = append_drafts(connection, [*drafts, _decided(record, "stop", reason, actor, **facts)], at)
            close_experiment(connection, experiment, verdict, entries[-1].seq)
        self._announce(entries)
        return replace(record, verdict=verdict, ended_at_s=at.timestamp())

    def get(self, experiment: str) -> ExperimentRecord:
        """One experiment.

        Raises:
            UnknownExperimentError: there is none of that name.
        """
        with self._database.read() as connection:
            return _found(connection, experiment)

    def of_model(self, model: str) -> list[ExperimentRecord]:
        """All experiments of a model, in the order they began."""
        with self._database.read() as connection:
            return read_experiments(connection, model=model)

    def latest(self) -> dict[str, ExperimentRecord]:
        """The latest experiment of each model."""
        with self._database.read() as connection:
            return {record.plan.model: record for record in read_experiments(connection)}


def _found(connection: Connection, experiment: str) -> ExperimentRecord:
    found = read_experiments(connection, experiment=experiment)
    if not found:
        raise UnknownExperimentError(f"There is no experiment {experiment!r}: see seatrial experiment status.")
    return found[0]


def _running(connection: Connection, experiment: str) -> ExperimentRecord:
    record = _found(connection, experiment)
    if record.over:
        raise LedgerConflictError(f"Experiment {experiment} was stopped ({record.verdict}): start another one.")
    return record


def _decided(record: ExperimentRecord, action: str, reason: str, actor: str, **facts: Any) -> EntryDraft:
    plan = record.plan
    payload: Mapping[str, Any] = {
        "action": action, "subject": plan.subject, "reason": reason, "experiment": plan.experiment, **facts
    }  # fmt: skip
    return EntryDraft(EntryKind.DECISION, plan.model, plan.treatment, payload, actor)
