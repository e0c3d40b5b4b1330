"""Commands as processes: side by side, on a terminal, ended by a signal."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from seatrial.domain.evidence import Verdict, worst
from seatrial.flows.lock import project_lock
from seatrial.flows.project import Project
from seatrial.store.store import Store
from tests.handmade import MODEL, PRINTED, write_project

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
FREE = {"SEATRIAL_SERVING__PORT": "0", "SEATRIAL_SERVING__INTERNAL_PORT": "0", "SEATRIAL_SERVING__GRPC_PORT": "0"}
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def project(tmp_path: Path, mlflow_database: Path) -> Path:
    return _new_project(tmp_path, mlflow_database)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, mlflow_database: Path) -> tuple[Path, dict[str, Any]]:
    """A project after its first demonstration, and what that printed."""
    directory = _new_project(tmp_path_factory.mktemp("made"), mlflow_database)
    with _starting(directory) as start:
        return directory, document(start("demo", ".", "--exit", "--json"))


@pytest.fixture
def start(project: Path) -> Iterator[Start]:
    with _starting(project) as start:
        yield start


@pytest.fixture
def start_made(made: tuple[Path, dict[str, Any]]) -> Iterator[Start]:
    with _starting(made[0]) as start:
        yield start


def _new_project(directory: Path, mlflow_database: Path) -> Path:
    project = write_project(directory / "project")
    (project / ".seatrial").mkdir()
    shutil.copyfile(mlflow_database, project / ".seatrial" / "mlflow.db")
    return project


@contextlib.contextmanager
def _starting(project: Path) -> Iterator[Start]:
    """Starts `seatrial …` in a project; what still runs at the end is killed."""
    with contextlib.ExitStack() as stack:

        def started(*arguments: str, stderr: int = subprocess.PIPE, **environment: str) -> subprocess.Popen[str]:
            process = subprocess.Popen(
                [sys.executable, "-m", "seatrial.cli", *arguments],
                cwd=project,
                env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **FREE, **environment},
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        yield started


def ended(process: subprocess.Popen[str], code: int) -> tuple[str, str]:
    output, problems = process.communicate(timeout=120)
    assert process.returncode == code, problems
    assert "Traceback" not in (problems or "")
    return output, problems or ""


def document(process: subprocess.Popen[str], code: int = 0) -> Any:
    return json.loads(ended(process, code)[0])


def answers(url: str) -> bool:
    address = urlsplit(url)
    with socket.socket() as probe:
        return probe.connect_ex((str(address.hostname), address.port)) == 0


def test_two_trainings_and_two_conversions_at_once_make_one_version(start: Start, project: Path) -> None:
    trained = [document(process) for process in [start("train", "--json"), start("train", "--json")]]
    assert trained[0] == trained[1]
    assert trained[0]["version"] == 1
    converted = [
        document(p) for p in [start("convert", f"{MODEL}@1", "--json"), start("convert", f"{MODEL}@1", "--json")]
    ]
    assert sorted(str(made["decision"]) for made in converted) == ["None", "promote"]
    with Project(project) as opened:
        (row,) = opened.versions()
        assert (row["version"], row["aliases"]) == (1, ["production"])
        kinds = [entry.kind.value for entry in opened.history(MODEL)]
        assert [kinds.count(kind) for kind in ("registered", "artifact", "alias", "foreign")] == [1, 1, 2, 0]
        assert worst(opened.verify()) is Verdict.PASS


def test_the_document_reaches_its_reader_though_errors_go_to_a_terminal(start: Start) -> None:
    ours, theirs = pty.openpty()
    shown: list[bytes] = []

    def read() -> None:
        with contextlib.suppress(OSError):  # how a terminal says that nobody writes to it any more
            while piece := os.read(ours, 65536):
                shown.append(piece)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        process = start("train", "--json", stderr=theirs, TERM="xterm-256color")
        os.close(theirs)
        assert document(process)["version"] == 1
    finally:
        reader.join(60)
        os.close(ours)
    terminal = b"".join(shown).decode()
    assert PRINTED in terminal, "a trainer's words stand above the bars"
    assert "✓" in terminal
    assert "ledger entry appended" not in terminal, "a terminal shows warnings only"
    assert terminal.rstrip().endswith("\x1b[?25h") or "\x1b[?25h" in terminal, "the cursor is back"


@pytest.mark.parametrize(
    ("command", "number", "code"), [("train", signal.SIGINT, 130), ("demo .", signal.SIGTERM, 143)]
)
def test_a_signal_while_a_model_is_made_ends_everything(
    start: Start, project: Path, command: str, number: signal.Signals, code: int
) -> None:
    process = start(*command.split(), SEATRIAL_TRAINING__ENTRY_POINT="tests.handmade:hang")
    while not (project / "began").exists():
        assert process.poll() is None, process.communicate()[1]
    process.send_signal(number)
    assert ended(process, code)[0] == ""
    with project_lock(project / ".seatrial"):
        database = project / ".seatrial" / "seatrial.db"
        if database.exists():  # looked into by the demonstration, which asks what is in production
            with Store.open(f"sqlite:///{database}") as store:
                assert store.head().seq == 0, "nothing is on record yet"


def test_the_demo_goes_the_whole_way_and_ends_after_its_summary(
    made: tuple[Path, dict[str, Any]], start_made: Start
) -> None:
    summary = made[1]
    assert (summary["passed"], summary["decision"], summary["ref"]) == (True, "in production", f"{MODEL}@1")
    assert summary["latency_ms"]["requests"] == 100
    assert summary["served"] == f"{MODEL}@production"
    assert not answers(summary["url"])
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        again = document(start_made("demo", ".", "--exit", "--json", SEATRIAL_SERVING__PORT=str(port)))
    assert again["ref"] == summary["ref"]
    assert urlsplit(again["url"]).port != port, "a taken port is replaced by a free one"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_the_demo_serves_until_it_is_told_to_end(start_made: Start, number: signal.Signals, code: int) -> None:
    process = start_made("demo", ".")
    assert process.stdout is not None
    shown = ""
    while "curl" not in shown:
        line = process.stdout.readline()
        assert line, process.communicate()[1]
        shown += line
    assert "From real reviews to a served, proven model" in shown
    url = shown.partition("curl -s ")[2].partition("/predict")[0]
    assert answers(url)
    process.send_signal(number)
    ended(process, code)
    assert not answers(url), "the data plane is still there"
