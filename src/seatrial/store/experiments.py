"""Experiments as they are kept: the plan, who asked for it, and the epochs with the moments they began."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from seatrial.domain.assignment import Assignment, Intake
from seatrial.domain.errors import ExperimentPlanError, LedgerConflictError, LedgerTamperedError
from seatrial.domain.experiment import Epoch, ExperimentPlan
from seatrial.store.canonical import canonical_json
from seatrial.store.tables import experiment_epochs, experiments, ledger

__all__ = [
    "ExperimentRecord",
    "close_experiment",
    "insert_epoch",
    "insert_experiment",
    "read_experiments",
    "refuse_second",
]


@dataclass(frozen=True, slots=True)
class ExperimentRecord:
    """An experiment as it stands.

    Attributes:
        plan: what it compares.
        requester: who asked for it.
        intakes: which units each epoch took in.
        started_at_s: when each epoch began, seconds since 1970; empty before the experiment is on record.
        verdict: what it was stopped with; empty while it runs.
        ended_at_s: when it was stopped; None while it runs.
    """

    plan: ExperimentPlan
    requester: str
    intakes: tuple[Intake, ...]
    started_at_s: tuple[float, ...] = ()
    verdict: str = ""
    ended_at_s: float | None = None

    @property
    def over(self) -> bool:
        """Whether it was stopped."""
        return self.ended_at_s is not None

    @property
    def assignment(self) -> Assignment:
        """Which units get which version."""
        plan = self.plan
        return Assignment(plan.experiment, plan.model, plan.control, plan.treatment, self.intakes)

    @property
    def epochs(self) -> tuple[Epoch, ...]:
        """The epochs as a readout takes them."""
        starts = zip(self.intakes, self.started_at_s, strict=True)
        return tuple(Epoch(number, one.treatment_percent, at_s) for number, (one, at_s) in enumerate(starts))


def read_experiments(connection: Connection, **wanted: object) -> list[ExperimentRecord]:
    """The experiments whose columns have those values, in the order they began."""
    query = select(experiments).filter_by(**wanted).order_by(experiments.c.begun_seq)
    return [_record_of(connection, row) for row in connection.execute(query).all()]


def insert_experiment(connection: Connection, record: ExperimentRecord, seq: int) -> None:
    """Writes an experiment that begins, with its first epoch."""
    plan = record.plan
    connection.execute(
        insert(experiments).values(
            experiment=plan.experiment,
            model=plan.model,
            active_model=plan.model,
            begun_seq=seq,
            ended_seq=None,
            control=plan.control,
            treatment=plan.treatment,
            requester=record.requester,
            plan=canonical_json(plan.to_json()),
            verdict="",
        )
    )
    insert_epoch(connection, record, seq)


def insert_epoch(connection: Connection, record: ExperimentRecord, seq: int) -> None:
    """Writes the last epoch of an experiment."""
    connection.execute(
        insert(experiment_epochs).values(
            experiment=record.plan.experiment, epoch=len(record.intakes) - 1, seq=seq, **record.intakes[-1].to_json()
        )
    )


def close_experiment(connection: Connection, experiment: str, verdict: str, seq: int) -> None:
    """Writes that an experiment was stopped."""
    changed = update(experiments).where(experiments.c.experiment == experiment)
    connection.execute(changed.values(active_model=None, ended_seq=seq, verdict=verdict))


def refuse_second(connection: Connection, model: str) -> None:
    """Raises LedgerConflictError where an experiment of the model is under way."""
    running = read_experiments(connection, active_model=model)
    if running:
        raise LedgerConflictError(
            f"Experiment {running[0].plan.experiment} of {model} is under way: end it with seatrial experiment stop."
        )


def _record_of(connection: Connection, row: Row[Any]) -> ExperimentRecord:
    query = (
        select(experiment_epochs, ledger.c.at)
        .join(ledger, ledger.c.seq == experiment_epochs.c.seq)
        .where(experiment_epochs.c.experiment == row.experiment)
        .order_by(experiment_epochs.c.epoch)
    )
    epochs = connection.execute(query).all()
    ended = connection.execute(select(ledger.c.at).where(ledger.c.seq == row.ended_seq)).scalar()
    try:
        return ExperimentRecord(
            ExperimentPlan.from_json(json.loads(row.plan)),
            row.requester,
            tuple(Intake(one.units_percent, one.treatment_percent) for one in epochs),
            tuple(datetime.fromisoformat(one.at).timestamp() for one in epochs),
            row.verdict,
            None if ended is None else datetime.fromisoformat(ended).timestamp(),
        )
    except (ExperimentPlanError, ValueError, KeyError, TypeError) as error:
        raise LedgerTamperedError(
            f"The store's experiment {row.experiment!r} is not as Seatrial wrote it ({error}): restore a backup."
        ) from error
