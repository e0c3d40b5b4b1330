"""A project whose trainer makes a graph by hand: the whole real life of a model in a second or two, without torch."""

from __future__ import annotations

import csv
import signal
from pathlib import Path

from seatrial.bundle import TOKENIZER_FILE
from seatrial.config import TrainingSettings
from seatrial.domain.dataset import Dataset
from seatrial.domain.progress import Progress
from seatrial.training.trained_model import TrainedModel
from tests.builders import LABELS, MAX_TOKENS, onnx_graph, random_texts, tokenizer_json

MODEL = "tiny"
ROWS = 400
PRINTED = "a trainer prints what it likes"

_SETTINGS = """\
[model]
name = "tiny"

[data]
source = "reviews.csv"
test_ratio = 0.4

[training]
entry_point = "tests.handmade:train"
seed = {seed}

[evaluation]
baseline = false  # words decide these labels alone: nothing beats counting them
ece_ceiling = 0.6
slice_rows = 30
production_margin = 0.05

[conversion]
targets = ["onnx-fp32"]
fp32_flip_rate_limit = 0.05
"""


def train(dataset: Dataset, work_dir: Path, settings: TrainingSettings, progress: Progress) -> TrainedModel:
    """The project's trainer; another seed makes another model."""
    print(PRINTED)
    directory = work_dir / "made"
    directory.mkdir(exist_ok=True)
    with progress.step("make a graph", total=1) as step:
        onnx_graph(directory / "model.onnx", sign=1 / (1 + settings.seed))
        (directory / TOKENIZER_FILE).write_text(tokenizer_json(), "utf-8")
        step.advance(1, "done")
    return TrainedModel(directory, LABELS, MAX_TOKENS)


def hang(dataset: Dataset, work_dir: Path, settings: TrainingSettings, progress: Progress) -> TrainedModel:
    """A trainer that never ends; the file ``began`` in the working directory says that it runs."""
    Path("began").touch()
    signal.pause()
    return train(dataset, work_dir, settings, progress)


def write_project(directory: Path, *, seed: int = 0, more: str = "") -> Path:
    """Writes rows and settings; run from the repository's root, or with it on PYTHONPATH."""
    directory.mkdir(parents=True, exist_ok=True)
    texts, labels = random_texts(ROWS, seed=7)
    with (directory / "reviews.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("text", "label"))
        rows.writerows((text, LABELS[label]) for text, label in zip(texts, labels, strict=True))
    (directory / "seatrial.toml").write_text(_SETTINGS.format(seed=seed) + more, "utf-8")
    return directory
