"""The built-in trainer: fine-tunes an encoder for the labels of a dataset, on the processor.

AdamW, a short warm-up and a linear fall, batches of texts of like length, embeddings frozen. A killed run goes on from
its last checkpoint and ends with the same bits as one that was never killed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from seatrial import __version__
from seatrial.bundle import TOKENIZER_FILE, storage_errors
from seatrial.config import TrainingSettings
from seatrial.domain.dataset import Dataset, LabelledRows
from seatrial.domain.errors import TrainingError
from seatrial.domain.inference import TokenBatch
from seatrial.domain.progress import SILENT, Progress
from seatrial.text.tokenizer import Tokenizer
from seatrial.training.base_model import directory_sha256, local_directory, open_base
from seatrial.training.checkpoint import Checkpoints
from seatrial.training.fitting import Fitting, TrainingRows, fit
from seatrial.training.huggingface import pad_token_id, position_limit, quiet, save_classifier
from seatrial.training.tokenizer_files import write_tokenizer
from seatrial.training.trained_model import TrainedModel
from seatrial.training.validation import validate

__all__ = ["TextClassifier"]

_TEXTS_AT_ONCE = 4096
_NOT_OF_THE_RESULT = {"entry_point", "checkpoint_every_steps"}
"""Settings that change nothing in the weights."""


class TextClassifier:
    """Fine-tunes a base model.

    Args:
        base_model: a local directory or a hub id; a ``package:`` setting must have become a directory before.
    """

    def __init__(self, settings: TrainingSettings, base_model: str | Path) -> None:
        self.settings = settings
        self.base_model = base_model

    @property
    def code_revision(self) -> str:
        """The package's version, and a digest of the code that trains."""
        digest = hashlib.sha256()
        for path in sorted(Path(__file__).parent.glob("*.py")):
            digest.update(path.read_bytes())
        return f"seatrial {__version__} ({digest.hexdigest()[:12]})"

    def train(self, dataset: Dataset, work_dir: Path, progress: Progress = SILENT) -> TrainedModel:
        """Trains, or goes on with the training that was killed in the same directory.

        Args:
            work_dir: checkpoints and the finished model lie here.

        Raises:
            TrainingError: there is nothing to train on, or the loss is not finite.
            UnreachableError: the base model's hub does not answer.
            UnsupportedModelError: the base model cannot be used.
            StorageFullError: no room for a checkpoint or the model.
        """
        if not len(dataset.train):
            raise TrainingError("There are no training rows: give more data, or lower data.test_ratio.")
        with quiet(), _torch_scope(self.settings.threads):
            base = local_directory(self.base_model, progress)
            model = open_base(base, dataset.labels, self.settings.seed)
            if self.settings.freeze_embeddings:
                _embeddings(model).requires_grad_(False)
            reader = self._reader(base, model, work_dir)
            pad_id = pad_token_id(model, reader.pad_id())
            parameters = self._parameters(base)
            fitting = Fitting(model, self._read(dataset.train, reader, pad_id), self.settings)
            fit(fitting, Checkpoints(work_dir / "checkpoints", self._key(dataset, parameters)), progress)
            figures = validate(model, self._read(dataset.validation, reader, pad_id), progress)
            directory = work_dir / "model"
            shutil.rmtree(directory, ignore_errors=True)
            save_classifier(model, base, directory, reader.max_tokens)
        return TrainedModel(
            directory=directory,
            labels=dataset.labels,
            max_tokens=reader.max_tokens,
            pad_token_id=pad_id,
            metrics={"train_loss": fitting.loss, **figures},
            parameters={**parameters, "steps": str(fitting.last_step)},
        )

    def _reader(self, base: Path, model: Any, work_dir: Path) -> Tokenizer:
        """The base model's tokenizer, in the very form in which the bundle will have it."""
        path = work_dir / TOKENIZER_FILE
        with storage_errors(f"write {path}"):
            write_tokenizer(base, path)
        return Tokenizer.from_file(path, position_limit(model) or self.settings.max_tokens)

    def _read(self, rows: LabelledRows, reader: Tokenizer, pad_id: int) -> TrainingRows:
        tokens = [
            reader.encode(rows.texts[start : start + _TEXTS_AT_ONCE], self.settings.max_tokens)
            for start in range(0, len(rows), _TEXTS_AT_ONCE)
        ]
        return TrainingRows(TokenBatch.concatenate(tokens), rows.labels, pad_id)

    def _parameters(self, base: Path) -> dict[str, str]:
        """Everything but rows and code that the weights depend on."""
        import torch
        import transformers

        settings = self.settings.model_dump(exclude=_NOT_OF_THE_RESULT)
        return {
            **{name: str(value) for name, value in settings.items()},
            "base_model_sha256": directory_sha256(base),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
        }

    def _key(self, dataset: Dataset, parameters: Mapping[str, str]) -> str:
        # Where it stops changes no step before: a longer run goes on from a shorter one.
        steps = {name: value for name, value in parameters.items() if name != "stop_at_ratio"}
        parts = {**steps, "data_sha256": dataset.sha256, "code_revision": self.code_revision}
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _embeddings(model: Any) -> Any:
    """The module that turns ids into vectors. Frozen whole, no gradient reaches the bottom of the first layer."""
    return getattr(model.base_model, "embeddings", None) or model.get_input_embeddings()


@contextlib.contextmanager
def _torch_scope(threads: int) -> Iterator[None]:
    """Leaves torch's random state and number of threads as they were."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        torch.set_num_threads(before)
