"""A small project that goes the whole way in seconds: made-up reviews, a tiny BERT, every gate of the real one."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.builders import huggingface_files, random_texts

MODEL = "tiny"
ROWS = 2000

_SETTINGS = """\
[model]
name = "{model}"

[data]
source = "reviews.csv"
test_ratio = 0.4
{data}
[training]
base_model = "base"
epochs = {epochs}
batch_size = 32
learning_rate = 0.005
freeze_embeddings = false
checkpoint_every_steps = 5
threads = 1
seed = {seed}

[evaluation]
baseline = false  # words decide these labels alone: nothing beats counting them
slice_rows = 50
"""


def write_project(directory: Path, *, seed: int = 0, epochs: float = 8, data: str = "") -> Path:
    """Writes rows, base model and settings; needs torch."""
    directory.mkdir(parents=True, exist_ok=True)
    texts, labels = random_texts(ROWS, seed=7)
    with (directory / "reviews.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("text", "label"))
        rows.writerows((text, ("negative", "positive")[label]) for text, label in zip(texts, labels, strict=True))
    if not (directory / "base").exists():
        (directory / "base").mkdir()
        huggingface_files(directory / "base")
    write_settings(directory, seed=seed, epochs=epochs, data=data)
    return directory


def write_settings(directory: Path, *, seed: int = 0, epochs: float = 8, data: str = "") -> None:
    """Writes the settings anew; another seed makes another version."""
    text = _SETTINGS.format(model=MODEL, seed=seed, epochs=epochs, data=data)
    (directory / "seatrial.toml").write_text(text, "utf-8")


def seatrial(directory: Path, *arguments: str, expect: int | None = 0, **environment: str) -> str:
    """Runs a command in a process of its own and returns what it printed.

    Args:
        expect: the exit code demanded; None: any.
    """
    ended = subprocess.run(
        [sys.executable, "-m", "seatrial.cli", *arguments],
        cwd=directory,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )
    if expect is not None:
        assert ended.returncode == expect, f"{arguments} ended with {ended.returncode}:\n{ended.stderr[-4000:]}"
    return ended.stdout


def seatrial_json(directory: Path, *arguments: str, expect: int | None = 0) -> Any:
    """Runs a command with --json and returns the document."""
    return json.loads(seatrial(directory, *arguments, "--json", expect=expect))
