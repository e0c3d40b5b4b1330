"""What goes on record, once, and what it moves."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from seatrial.bundle import MANIFEST_FILE
from seatrial.domain.errors import LedgerConflictError
from seatrial.domain.evidence import Verdict
from seatrial.domain.model import Alias, Lineage, Stage, VersionRef
from seatrial.domain.release import Action, Decision
from seatrial.flows import record
from seatrial.registry.memory_registry import MemoryRegistry
from seatrial.store.ledger import EntryKind
from seatrial.wiring.workshop import Workshop
from tests.houses import MODEL, enrol, evaluation, make_artifact, open_workshop, promote


def test_store_registry_and_index_agree_after_a_promotion(workshop: Workshop) -> None:
    version = enrol(workshop)
    assert workshop.store.aliases(MODEL) == {Alias.CANDIDATE: 1}
    make_artifact(workshop, version)
    promote(workshop, 1)
    assert workshop.store.aliases(MODEL) == {Alias.PRODUCTION: 1}
    assert workshop.registry.aliases(MODEL) == {Alias.PRODUCTION: 1}
    assert workshop.registry.stages(MODEL)[1] is Stage.PRODUCTION
    assert workshop.index.aliases(MODEL) == {"production": 1}
    assert workshop.store.pending(MODEL) == []
    assert workshop.index.resolve(VersionRef.parse(f"{MODEL}@production"), "onnx-fp32").manifest.version == 1


def test_a_version_whose_findings_fail_is_not_nominated(workshop: Workshop) -> None:
    enrol(workshop, verdict=Verdict.FAIL)
    assert workshop.store.aliases(MODEL) == {}


def test_a_released_version_is_not_made_candidate_again(workshop: Workshop) -> None:
    version = enrol(workshop)
    promote(workshop, 1)
    record.nominate(workshop, version, [evaluation(version)])
    assert workshop.store.aliases(MODEL) == {Alias.PRODUCTION: 1}


def test_recording_twice_adds_nothing(workshop: Workshop) -> None:
    version = enrol(workshop)
    make_artifact(workshop, version)
    before = workshop.store.head()
    enrol(workshop)
    make_artifact(workshop, version)
    assert workshop.store.head() == before


def test_a_version_is_registered_once_whatever_was_measured_since(workshop: Workshop) -> None:
    version = enrol(workshop)
    source = record.source_of(workshop, version)
    lineage = Lineage(key=source.manifest.artifact.sha256, metrics={"accuracy": 0.5})
    record.registered(workshop, version, source, lineage)
    assert len(list(workshop.store.entries(MODEL, kind=EntryKind.REGISTERED))) == 1


def test_an_artifact_made_again_as_it_was_before_the_last_time_is_the_one_on_record(workshop: Workshop) -> None:
    version = enrol(workshop)
    first = make_artifact(workshop, version)
    make_artifact(workshop, version, verdict=Verdict.FAIL)
    make_artifact(workshop, version)
    entries = list(workshop.store.entries(MODEL, kind=EntryKind.ARTIFACT))
    assert [entry.payload["servable"] for entry in entries] == [True, False, True]
    assert entries[-1].payload["manifest_sha256"] == first.manifest.sha256


def test_a_decision_is_logged_in_one_line(workshop: Workshop, caplog: pytest.LogCaptureFixture) -> None:
    enrol(workshop)
    with caplog.at_level(logging.INFO, "seatrial.flows"):
        promote(workshop, 1)
    (line,) = caplog.records
    assert (line.message, line.action, line.subject) == ("decision", "promote", f"{MODEL}@1")  # type: ignore[attr-defined]  # extra fields


def test_a_held_decision_moves_nothing_and_is_recorded_once_with_its_findings(workshop: Workshop) -> None:
    version = enrol(workshop)
    finding = evaluation(version, Verdict.FAIL)
    decision = Decision(Action.HOLD, version.ref, "Not released: a test says no.", (finding,))
    record.decided(workshop, version, decision)
    record.decided(workshop, version, decision)
    (entry,) = workshop.store.entries(MODEL, kind=EntryKind.DECISION)
    assert entry.payload["findings"] == [finding.to_json()]
    assert Alias.PRODUCTION not in workshop.store.aliases(MODEL)


def test_a_source_is_fetched_once_and_again_when_its_copy_is_spoilt(workshop: Workshop) -> None:
    version = enrol(workshop)
    source = record.source_of(workshop, version)
    registry, workshop.registry = workshop.registry, MemoryRegistry(Path("/nowhere"))
    assert record.source_of(workshop, version) == source, "the copy is there"
    workshop.registry = registry
    source.onnx_path.write_bytes(b"spoilt")
    record.source_of(workshop, version).verify()
    (source.directory / MANIFEST_FILE).unlink()
    for path in source.directory.iterdir():
        path.unlink()
    record.source_of(workshop, version).verify()


def test_production_has_a_source_where_there_is_production(workshop: Workshop) -> None:
    assert record.production_source(workshop, MODEL) is None
    enrol(workshop)
    assert record.production_source(workshop, MODEL) is None
    promote(workshop, 1)
    source = record.production_source(workshop, MODEL)
    assert source is not None
    assert source.manifest.artifact.name == "source"


def test_an_exchanged_registry_is_refused_before_anything_moves(tmp_path: Path) -> None:
    first = open_workshop(tmp_path)
    enrol(first, 1.0)
    promote(first, 1)
    first.close()
    second = open_workshop(tmp_path, MemoryRegistry(tmp_path / "another"))
    with pytest.raises(LedgerConflictError, match="in production by the record, but the registry does not have it"):
        record.production_source(second, MODEL)
    before = second.store.head()
    with pytest.raises(LedgerConflictError, match=f"{MODEL}@1 is another model"):
        enrol(second, 0.5)
    with pytest.raises(LedgerConflictError, match=f"{MODEL}@1 is another model"):
        record.source_of(second, second.registry.get_version(MODEL, 1))
    assert second.store.head() == before
    second.close()
