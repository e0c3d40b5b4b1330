"""A conversion that the operating system kills leaves nothing that looks whole, and the next one cleans up."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from seatrial.bundle import Bundle
from seatrial.config import ConversionSettings
from seatrial.conversion.convert import ConversionJob, convert
from seatrial.domain.errors import BundleError
from seatrial.domain.progress import SILENT, Progress, Step
from seatrial.engines.loading import load_engine
from tests.conversions import onnx_source, parity_rows

SETTINGS = ConversionSettings(composition_rounds=1, reduce_range="on", fp32_flip_rate_limit=0.02)
MOMENTS = [
    ("onnx-fp32", "before make onnx-fp32"),
    ("onnx-fp32", "after make onnx-fp32"),
    ("onnx-fp32", "after compare onnx-fp32"),
    ("onnx-int8", "before make onnx-int8"),
    ("onnx-int8", "after make onnx-int8"),
    ("onnx-int8", "after compare onnx-int8 in random company, round 1"),
]


class HangsAt:
    """Says so on the standard output when a moment has come, and then waits to be killed."""

    def __init__(self, moment: str) -> None:
        self.moment = moment

    @contextlib.contextmanager
    def step(self, title: str, total: int | None = None) -> Iterator[Step]:
        self._come(f"before {title}")
        with SILENT.step(title) as step:
            yield step
        self._come(f"after {title}")

    def _come(self, moment: str) -> None:
        if moment == self.moment:
            print("there", flush=True)
            signal.pause()


def run(source: Path, directory: Path, progress: Progress = SILENT) -> Bundle:
    bundle = Bundle.open(source)
    job = ConversionJob(bundle, 1, directory, parity_rows(bundle, 200), load_engine)
    return convert(job, "onnx-int8", SETTINGS, progress)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A graph already: the processes that are killed need not import torch."""
    return onnx_source(tmp_path_factory.mktemp("source") / "bundle")


@pytest.fixture(scope="module")
def undisturbed(source: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return run(source.directory, tmp_path_factory.mktemp("undisturbed") / "1")


def kill_at(moment: str, source: Path, directory: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from tests.integration.test_conversion_kill import HangsAt, run; "
        "run(Path(sys.argv[1]), Path(sys.argv[2]), HangsAt(sys.argv[3]))"
    )
    command = [sys.executable, "-c", program, str(source), str(directory), moment]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "there\n"
        process.kill()
    assert process.returncode == -signal.SIGKILL


@pytest.mark.parametrize(("target", "moment"), MOMENTS)
def test_a_killed_conversion_is_done_again(
    target: str, moment: str, source: Bundle, undisturbed: Bundle, tmp_path: Path
) -> None:
    directory = tmp_path / "1"
    kill_at(moment, source.directory, directory)
    assert [path.name for path in directory.iterdir() if path.name.startswith(f".{target}.partial-")], "it was at work"
    with pytest.raises(BundleError, match="is no bundle"):
        Bundle.open(directory / target)

    again = run(source.directory, directory)
    assert again.manifest == undisturbed.manifest
    assert Bundle.open(again.directory).manifest == undisturbed.manifest
    assert sorted(path.name for path in directory.iterdir()) == ["onnx-fp32", "onnx-int8"]
