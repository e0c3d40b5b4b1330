"""What the store promises of experiments: a change and its entry together, one of a model at a time."""

from __future__ import annotations

import pytest

from seatrial.domain.assignment import Intake
from seatrial.domain.errors import (
    ExperimentPlanError,
    LedgerConflictError,
    LedgerTamperedError,
    UnknownExperimentError,
)
from seatrial.domain.evidence import Finding, Verdict
from seatrial.domain.experiment import ExperimentPlan, Metric
from seatrial.domain.model import Alias
from seatrial.domain.release import Action, Decision
from seatrial.store.experiments import ExperimentRecord
from seatrial.store.ledger import EntryKind
from seatrial.store.store import Store
from tests.ledgers import execute, move, words
from tests.releases import release_record

FOUND = Finding("experiments.primary", "m@2", Verdict.PASS, "Better.", 30.0, 20.0, 400)


def planned(experiment: str = "e-1") -> ExperimentRecord:
    return ExperimentRecord(ExperimentPlan(experiment, "m", 1, 2, (Metric("bought"),)), "ann", (Intake(20.0, 50.0),))


def begun(store: Store, experiment: str = "e-1") -> ExperimentRecord:
    if not store.aliases("m"):
        move(store, {Alias.PRODUCTION: 1, Alias.CANDIDATE: 2})
    return store.experiments.begin(planned(experiment), "A test begins it.", "ann")


def test_an_experiment_comes_back_as_it_was_written(store: Store) -> None:
    record = begun(store)
    assert store.experiments.get("e-1") == record
    assert store.experiments.latest() == {"m": record}
    assert [epoch.treatment_percent for epoch in record.epochs] == [50.0]
    entry = list(store.entries("m", kind=EntryKind.DECISION))[-1]
    assert (entry.payload["experiment"], entry.payload["action"]) == ("e-1", "start")
    with pytest.raises(UnknownExperimentError, match="no experiment 'e-2'"):
        store.experiments.get("e-2")


def test_epochs_follow_and_the_end_keeps_what_was_found(store: Store) -> None:
    begun(store)
    grown = store.experiments.open_epoch("e-1", Intake(60.0, 10.0), "More.", "bob")
    assert store.experiments.get("e-1") == grown
    with pytest.raises(ExperimentPlanError, match="takes new units in"):
        store.experiments.open_epoch("e-1", Intake(60.0, 20.0), "Nobody.", "bob")
    ended = store.experiments.end("e-1", "ship", "Better.", [FOUND], "ann")
    assert store.experiments.get("e-1") == ended
    assert (ended.over, ended.verdict, len(ended.epochs)) == (True, "ship", 2)
    assert store.findings("m", 2) == [FOUND]
    assert [entry.payload["action"] for entry in store.entries("m", kind=EntryKind.DECISION)][-3:] == [
        "start", "epoch", "stop",
    ]  # fmt: skip
    with pytest.raises(LedgerConflictError, match="was stopped"):
        store.experiments.end("e-1", "keep", "Again.", [], "ann")
    with pytest.raises(LedgerConflictError, match="was stopped"):
        store.experiments.open_epoch("e-1", Intake(80.0, 10.0), "More.", "bob")
    assert begun(store, "e-2").plan.experiment == "e-2"
    assert [record.plan.experiment for record in store.experiments.of_model("m")] == ["e-1", "e-2"]
    assert words(store.verify([store.head()])) == {"chain": "pass", "anchor": "pass", "intents": "pass"}


def test_a_model_has_one_experiment_or_one_release_at_a_time(store: Store) -> None:
    begun(store)
    entries = len(list(store.entries()))
    with pytest.raises(LedgerConflictError, match="Experiment e-1 of m is under way"):
        begun(store, "e-2")
    decision = Decision(Action.ADVANCE, "m@2", "A test.", (FOUND,))
    with pytest.raises(LedgerConflictError, match="Experiment e-1 of m is under way"):
        store.releases.begin(release_record(), decision, (), "ann")
    assert len(list(store.entries())) == entries
    store.experiments.end("e-1", "undecided", "Enough.", [], "ann")
    store.releases.begin(release_record(), decision, (), "ann")
    with pytest.raises(LedgerConflictError, match="Release r-1 of m is under way"):
        begun(store, "e-3")


def test_nothing_is_compared_with_what_is_not_in_production(store: Store) -> None:
    with pytest.raises(LedgerConflictError, match="in production"):
        store.experiments.begin(planned(), "Too early.", "ann")
    assert not list(store.entries())


def test_a_row_that_was_altered_is_no_experiment(store: Store, url: str) -> None:
    begun(store)
    execute(url, "UPDATE experiments SET plan = '{}'")
    with pytest.raises(LedgerTamperedError, match="not as Seatrial wrote it"):
        store.experiments.get("e-1")
