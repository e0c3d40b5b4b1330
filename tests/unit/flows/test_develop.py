"""Development: what is done, what is not done again, and what is never done twice at once."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from seatrial.bundle import Bundle
from seatrial.domain.dataset import Dataset
from seatrial.domain.errors import LabelError, SourceError
from seatrial.domain.evidence import Verdict
from seatrial.domain.model import Alias
from seatrial.domain.progress import SILENT, Progress
from seatrial.flows.develop import adopt, develop, prepared
from seatrial.store.ledger import EntryKind
from seatrial.wiring.workshop import Workshop
from tests.builders import LABELS, MAX_TOKENS, onnx_graph, tokenizer_json
from tests.handmade import MODEL, write_project
from tests.houses import open_workshop, promote
from tests.waiting import told


class Counting(Workshop):
    """Counts what is really done; its trainings wait until `go` is set."""

    def __init__(self, workshop: Workshop, go: threading.Event | None = None) -> None:
        super().__init__(workshop.settings)
        self.registry = workshop.registry
        self.done: list[str] = []
        self._go = go

    def prepare(self, destination: Path, progress: Progress) -> Dataset:
        self.done.append("prepare")
        return super().prepare(destination, progress)

    def train(self, dataset: Dataset, destination: Path, work_dir: Path, progress: Progress) -> Bundle:
        self.done.append("train")
        if self._go is not None:
            assert self._go.wait(60)
        return super().train(dataset, destination, work_dir, progress)


@pytest.fixture
def counting(handmade: Workshop) -> Workshop:
    return Counting(handmade)


def test_a_version_is_made_recorded_and_nominated(handmade: Workshop) -> None:
    developed = develop(handmade, SILENT)
    assert (developed.version.ref, developed.passed) == (f"{MODEL}@1", True)
    assert {finding.subject for finding in developed.findings} == {f"{MODEL}@1"}
    assert developed.metrics["accuracy"] > 0.95
    assert json.loads(developed.report.with_name("evaluation.json").read_text())["subject"] == f"{MODEL}@1"
    assert handmade.store.aliases(MODEL) == {Alias.CANDIDATE: 1}
    assert handmade.store.findings(MODEL, 1) == list(developed.findings)
    (entry,) = handmade.store.entries(kind=EntryKind.REGISTERED)
    assert entry.payload["lineage"]["origin"] == "trained"
    assert entry.payload["lineage"]["metrics"]["accuracy"] == developed.metrics["accuracy"]


def test_nothing_is_done_again(counting: Counting) -> None:
    first = develop(counting, SILENT)
    head = counting.store.head()
    assert develop(counting, SILENT) == first
    assert counting.done == ["prepare", "train"]
    assert counting.store.head() == head
    counting.close()


def test_spoilt_results_are_made_anew(counting: Counting) -> None:
    first = develop(counting, SILENT)
    cache = counting.settings.cache_dir
    for path in (*cache.glob("prepare/*/dataset/*"), *cache.glob("train/*/source/model.onnx")):
        path.write_bytes(b"spoilt")
    for path in cache.glob("score/*/logits.npz"):
        path.write_bytes(path.read_bytes()[:-100])
    for path in cache.glob("evaluate/*/result.json"):
        path.write_text('{"report": {"findings": [{"check": 1}]}}')
    assert develop(counting, SILENT) == first
    assert counting.done == ["prepare", "train"] * 2
    counting.close()


def test_another_setting_of_the_training_makes_another_version(handmade: Workshop) -> None:
    develop(handmade, SILENT)
    second = open_workshop(write_project(handmade.settings.project_dir, seed=1), handmade.registry)
    assert develop(second, SILENT).version.version == 2
    assert second.store.aliases(MODEL) == {Alias.CANDIDATE: 2}
    second.close()


def test_a_version_that_fails_stays_on_record_and_goes_no_further(handmade: Workshop) -> None:
    strict = open_workshop(handmade.settings.project_dir, handmade.registry, {"evaluation.ece_ceiling": 0.001})
    developed = develop(strict, SILENT)
    assert not developed.passed
    assert strict.store.aliases(MODEL) == {}
    assert any(finding.verdict is Verdict.FAIL for finding in strict.store.findings(MODEL, 1))
    strict.close()


def test_a_candidate_is_compared_with_production_on_the_same_rows(handmade: Workshop) -> None:
    develop(handmade, SILENT)
    promote(handmade, 1)
    second = open_workshop(write_project(handmade.settings.project_dir, seed=1), handmade.registry)
    found = {finding.check: finding for finding in develop(second, SILENT).findings}
    assert found["evaluation.not_worse_than_production"].verdict is Verdict.PASS
    assert f"{MODEL}@1" in found["evaluation.not_worse_than_production"].reason
    second.close()


def test_a_move_that_a_killed_command_left_undone_is_made_first(handmade: Workshop) -> None:
    develop(handmade, SILENT)
    handmade.store.move_aliases(MODEL, {Alias.PREVIOUS: 1}, actor="test", reason="Killed right after this.")
    assert Alias.PREVIOUS not in handmade.registry.aliases(MODEL)
    develop(handmade, SILENT)
    assert handmade.registry.aliases(MODEL)[Alias.PREVIOUS] == 1
    assert handmade.store.pending(MODEL) == []


def test_two_trainings_at_once_make_one_version(handmade: Workshop) -> None:
    go = threading.Event()
    workshops = [Counting(handmade, go), Counting(handmade, go)]
    versions: list[int] = []

    def train(workshop: Workshop) -> None:
        versions.append(develop(workshop, SILENT).version.version)
        workshop.close()

    threads = [threading.Thread(target=train, args=(workshop,)) for workshop in workshops]
    with told("another command") as waiting:
        for thread in threads:
            thread.start()
        assert waiting.wait(60), "the second must wait for the first"
        go.set()
    for thread in threads:
        thread.join(60)
    assert versions == [1, 1]
    assert sorted(workshop.done for workshop in workshops) == [[], ["prepare", "train"]]
    assert len(list(handmade.store.entries(kind=EntryKind.REGISTERED))) == 1


def test_a_model_trained_elsewhere_goes_the_same_way(handmade: Workshop, tmp_path: Path) -> None:
    origin = tmp_path / "elsewhere"
    origin.mkdir()
    onnx_graph(origin / "model.onnx")
    (origin / "tokenizer.json").write_text(tokenizer_json())
    (origin / "config.json").write_text(json.dumps({"max_position_embeddings": MAX_TOKENS}))
    developed = adopt(handmade, str(origin), SILENT, LABELS)
    assert developed.passed
    (entry,) = handmade.store.entries(kind=EntryKind.REGISTERED)
    assert entry.payload["lineage"]["origin"] == f"adopted from {origin}"
    with pytest.raises(LabelError, match=r"another model\.name"):
        adopt(handmade, str(origin), SILENT, ("good", "bad"))  # the same files, another model


def test_a_file_source_is_read_again_when_its_bytes_change_and_not_when_the_project_moves(
    counting: Counting, tmp_path: Path
) -> None:
    first = prepared(counting, SILENT)
    assert prepared(counting, SILENT).sha256 == first.sha256
    counting.close()
    moved = counting.settings.project_dir.rename(tmp_path.with_name(f"{tmp_path.name}-moved"))
    elsewhere = Counting(open_workshop(moved))
    assert prepared(elsewhere, SILENT).sha256 == first.sha256
    assert elsewhere.done == []
    with (moved / "reviews.csv").open("a", encoding="utf-8") as rows:
        rows.write("a very good story about a phone,positive\n")
    assert prepared(elsewhere, SILENT).sha256 != first.sha256
    (moved / "reviews.csv").unlink()
    with pytest.raises(SourceError, match=r"reviews\.csv"):
        prepared(elsewhere, SILENT)
