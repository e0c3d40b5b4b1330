from __future__ import annotations

import logging
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from seatrial.cli.main import run
from tests.handmade import write_project


@dataclass(frozen=True)
class Ended:
    """How a command ended and what it wrote."""

    code: int
    out: str
    err: str


Command = Callable[..., Ended]


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """What a command changes of its process is changed back."""
    root, ours = logging.getLogger(), logging.getLogger("seatrial")
    handlers, levels, terminated = list(root.handlers), (root.level, ours.level), signal.getsignal(signal.SIGTERM)
    yield
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    ours.setLevel(levels[1])
    signal.signal(signal.SIGTERM, terminated)


@pytest.fixture
def seatrial(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs the command line in this process."""
    for name in [name for name in os.environ if name.startswith("SEATRIAL_") or name == "LOG_LEVEL"]:
        monkeypatch.delenv(name)

    def ended(*arguments: str | Path) -> Ended:
        monkeypatch.setattr(sys, "argv", ["seatrial", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            run()
        written = capsys.readouterr()
        assert isinstance(end.value.code, int)
        return Ended(end.value.code, written.out, written.err)

    return ended


@pytest.fixture
def project(tmp_path: Path, mlflow_database: Path) -> Path:
    """A small project whose registry need not be made first."""
    directory = write_project(tmp_path / "project")
    (directory / ".seatrial").mkdir()
    shutil.copyfile(mlflow_database, directory / ".seatrial" / "mlflow.db")
    return directory
