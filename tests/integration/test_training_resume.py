"""A training that the operating system kills goes on, and ends with the bundle it would have made anyway."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from seatrial.bundle import MANIFEST_FILE
from seatrial.config import TrainingSettings
from seatrial.domain.progress import SILENT, Progress, Step
from seatrial.training.trainer import TrainingJob, train_bundle
from tests import builders

STEPS = 20
KILLED_AT = 11
EVERY = 4


def _train(base: Path, place: Path, progress: Progress = SILENT) -> None:
    settings = TrainingSettings(batch_size=16, epochs=2.0, checkpoint_every_steps=EVERY, threads=1)
    job = TrainingJob("tiny", settings, base, builders.dataset(train=160, validation=16))
    train_bundle(job, place / "bundle", place / "work", progress)


class HangsAtStep:
    """Says so on the standard output when a step is done, and then waits to be killed."""

    @contextlib.contextmanager
    def step(self, title: str, total: int | None = None) -> Iterator[Step]:
        self.done = 0
        yield self

    def advance(self, amount: int = 1, note: str = "") -> None:
        self.done += amount
        if self.done == KILLED_AT:
            print("there", flush=True)
            signal.pause()


class Counts:
    """Remembers the amounts a training advanced by."""

    def __init__(self) -> None:
        self.amounts: dict[str, list[int]] = {}

    @contextlib.contextmanager
    def step(self, title: str, total: int | None = None) -> Iterator[Step]:
        self.current = self.amounts.setdefault(title, [])
        yield self

    def advance(self, amount: int = 1, note: str = "") -> None:
        self.current.append(amount)


def test_a_training_killed_in_the_middle_ends_with_the_same_bundle(tmp_path: Path) -> None:
    base = tmp_path / "base"
    builders.huggingface_files(base)
    _train(base, tmp_path / "whole")

    command = [sys.executable, "-m", "tests.integration.test_training_resume", str(base), str(tmp_path / "killed")]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2])
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == b"there\n"
    finally:
        child.send_signal(signal.SIGKILL)
        child.communicate()
    assert child.returncode == -signal.SIGKILL
    assert not (tmp_path / "killed" / "bundle").exists()

    counts = Counts()
    _train(base, tmp_path / "killed", counts)
    done_before = KILLED_AT // EVERY * EVERY
    assert counts.amounts["train"] == [done_before, *[1] * (STEPS - done_before)]
    manifests = [(tmp_path / place / "bundle" / MANIFEST_FILE).read_bytes() for place in ("whole", "killed")]
    assert manifests[0] == manifests[1]


if __name__ == "__main__":
    _train(Path(sys.argv[1]), Path(sys.argv[2]), HangsAtStep())
