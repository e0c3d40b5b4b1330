from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from seatrial.bundle import TOKENIZER_FILE
from seatrial.config import TrainingSettings
from seatrial.training.huggingface import open_classifier, quiet
from tests import builders


@pytest.fixture(scope="session")
def tiny_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny classifier with random weights, as Hugging Face saves it. Not to be written to."""
    directory = tmp_path_factory.mktemp("tiny")
    builders.huggingface_files(directory)
    return directory


@pytest.fixture
def encoder_directory(tiny_directory: Path, tmp_path: Path) -> Path:
    """The encoder of it, published without a head."""
    directory = tmp_path / "encoder"
    with quiet():
        model, _ = open_classifier(tiny_directory)
        model.bert.save_pretrained(directory)
    shutil.copy(tiny_directory / TOKENIZER_FILE, directory)
    return directory


@pytest.fixture
def copied(tiny_directory: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may damage."""
    directory = tmp_path / "copied"
    shutil.copytree(tiny_directory, directory)
    return directory


@pytest.fixture(scope="session")
def settings() -> Callable[..., TrainingSettings]:
    """Settings of a training of a second, at one thread."""

    def make(**changes: object) -> TrainingSettings:
        values = {"learning_rate": 3e-3, "epochs": 1.0, "batch_size": 16, "checkpoint_every_steps": 4, "threads": 1}
        return TrainingSettings.model_validate({**values, **changes})

    return make
