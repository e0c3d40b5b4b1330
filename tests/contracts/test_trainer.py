"""What every Trainer must do: the contract between prepared rows and the source bundle."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from seatrial.bundle import TOKENIZER_FILE
from seatrial.config import TrainingSettings
from seatrial.domain.dataset import Dataset
from seatrial.domain.progress import SILENT
from seatrial.text.tokenizer import Tokenizer
from seatrial.training.trainer import Trainer, TrainingJob
from tests import builders

OWN_TRAINER = """
import shutil

def train(dataset, work_dir, settings, progress):
    shutil.copytree(settings.base_model, work_dir / "mine", dirs_exist_ok=True)
    return work_dir / "mine"
"""


@pytest.fixture
def dataset() -> Dataset:
    return builders.dataset(train=32, validation=8, test=8)


@pytest.fixture(params=["text_classifier", "entry_point"])
def trainer(
    request: pytest.FixtureRequest, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Trainer]:
    builders.huggingface_files(tmp_path / "base")
    (tmp_path / "contract_trainer.py").write_text(OWN_TRAINER, "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    entry_point = "contract_trainer:train" if request.param == "entry_point" else ""
    settings = TrainingSettings(entry_point=entry_point, base_model=str(tmp_path / "base"), threads=1)
    yield TrainingJob("tiny", settings, tmp_path / "base", dataset).trainer()
    sys.modules.pop("contract_trainer", None)


def test_the_model_is_for_the_labels_of_the_dataset(trainer: Trainer, dataset: Dataset, tmp_path: Path) -> None:
    trained = trainer.train(dataset, tmp_path / "work", SILENT)
    assert trained.labels == dataset.labels
    assert trained.max_tokens == builders.MAX_TOKENS


def test_its_directory_holds_everything_a_source_bundle_needs(
    trainer: Trainer, dataset: Dataset, tmp_path: Path
) -> None:
    trained = trainer.train(dataset, tmp_path / "work", SILENT)
    assert (trained.directory / "config.json").is_file()
    assert (trained.directory / "model.safetensors").is_file()
    Tokenizer.from_file(trained.directory / TOKENIZER_FILE, trained.max_tokens)


def test_the_same_rows_give_the_same_model(trainer: Trainer, dataset: Dataset, tmp_path: Path) -> None:
    first, second = (trainer.train(dataset, tmp_path / name, SILENT) for name in ("one", "two"))
    assert (first.metrics, first.parameters) == (second.metrics, second.parameters)
    for path in first.directory.iterdir():
        assert path.read_bytes() == (second.directory / path.name).read_bytes()


def test_it_may_be_started_again_in_the_same_directory(trainer: Trainer, dataset: Dataset, tmp_path: Path) -> None:
    weights = [
        (trainer.train(dataset, tmp_path / "work", SILENT).directory / "model.safetensors").read_bytes()
        for _ in range(2)
    ]
    assert weights[0] == weights[1]


def test_it_says_which_code_trains(trainer: Trainer) -> None:
    assert trainer.code_revision
    assert trainer.code_revision == trainer.code_revision
