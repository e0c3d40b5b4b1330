"""What a trainer is, which one the settings ask for, and the whole step: rows in, source bundle out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from seatrial.bundle import Bundle, storage_errors
from seatrial.config import TrainingSettings
from seatrial.domain.dataset import Dataset
from seatrial.domain.progress import SILENT, Progress
from seatrial.training.entry_point import EntryPoint
from seatrial.training.text_classifier import TextClassifier
from seatrial.training.trained_model import TrainedModel, write_source

__all__ = ["TrainedModel", "Trainer", "TrainingJob", "train_bundle"]


class Trainer(Protocol):
    """Makes a model of rows."""

    @property
    def code_revision(self) -> str:
        """Which code trains; another code may give another model of the same rows."""
        ...

    def train(self, dataset: Dataset, work_dir: Path, progress: Progress) -> TrainedModel:
        """Fits a model on ``dataset.train`` and watches it on ``dataset.validation``; never looks at the test rows.

        Args:
            work_dir: the trainer's own; a run that was killed is started again with the same one.

        Raises:
            TrainingError: training cannot start or go on.
        """
        ...


@dataclass(frozen=True, slots=True)
class TrainingJob:
    """What shall be trained, and from what.

    Attributes:
        model_name: of the model the version will belong to.
        base_model: the setting of that name as a local directory or a hub id.
    """

    model_name: str
    settings: TrainingSettings
    base_model: str | Path
    dataset: Dataset

    def trainer(self) -> Trainer:
        """The trainer the settings ask for.

        Raises:
            ConfigError: the entry point is not written as one.
        """
        if self.settings.entry_point:
            return EntryPoint(self.settings)
        return TextClassifier(self.settings, self.base_model)


def train_bundle(job: TrainingJob, destination: Path, work_dir: Path, progress: Progress = SILENT) -> Bundle:
    """Trains a model and writes its source bundle; equal jobs give equal bytes.

    Args:
        destination: where the bundle shall lie.
        work_dir: for checkpoints; a run that was killed goes on when it is started again with the same one.

    Returns:
        The bundle, without a version; its lineage has the fields of `domain.model.Lineage` but for ``key``.

    Raises:
        ConfigError: the entry point or the base model cannot be what is written in the settings.
        TrainingError: training cannot start or go on.
        UnreachableError: the base model's hub does not answer.
        UnsupportedModelError: the base model, or what the entry point made, cannot be used.
        StorageFullError: no room; what was trained so far is kept in `work_dir`.
    """
    trainer = job.trainer()
    with storage_errors(f"write to {work_dir}"):
        work_dir.mkdir(parents=True, exist_ok=True)
    trained = trainer.train(job.dataset, work_dir, progress)
    origin = {"origin": "trained", "data_sha256": job.dataset.sha256, "code_revision": trainer.code_revision}
    return write_source(trained, job.model_name, origin, destination)
