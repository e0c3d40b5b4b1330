"""Whatever happens becomes a sentence and an exit code."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seatrial import __version__
from seatrial.domain import errors
from seatrial.domain.errors import (
    DeadlineExceededError,
    DependencyError,
    InferenceError,
    MissingExtraError,
    NotTakenError,
    OverloadedError,
    RateLimitedError,
    SeatrialError,
)
from tests.unit.cli.conftest import Command

KINDS = [kind for name in errors.__all__ if issubclass(kind := getattr(errors, name), SeatrialError)]
Fault = Callable[[BaseException], None]


def made(kind: type[SeatrialError]) -> SeatrialError:
    if issubclass(kind, MissingExtraError):
        return kind("torch", "train")
    if issubclass(kind, OverloadedError | RateLimitedError):
        return kind("The queue is full: try again.", retry_after_s=1)
    if issubclass(kind, NotTakenError):
        return kind("It answered 500: see its log.", status=500)
    return kind("Something happened: do that.")


OUTSIDE = (DependencyError, OverloadedError, RateLimitedError, DeadlineExceededError, InferenceError)
"""What is nobody's mistake at this keyboard: a server that is not there, is busy, late or broken."""


@pytest.fixture
def fault(monkeypatch: pytest.MonkeyPatch) -> Fault:
    """Lets `seatrial init` end with an error."""

    def raises(error: BaseException) -> None:
        def write_project(_directory: Path) -> list[Path]:
            raise error

        monkeypatch.setattr("seatrial.flows.template.write_project", write_project)

    return raises


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_error_becomes_one_line_and_its_code(seatrial: Command, fault: Fault, kind: type[SeatrialError]) -> None:
    error = made(kind)
    fault(error)
    ended = seatrial("init")
    assert ended.code == (3 if issubclass(kind, OUTSIDE) else 2)
    assert (ended.out, ended.err) == ("", f"seatrial: {error}\n")


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (ModuleNotFoundError(name="torch"), 3, "pip install 'seatrial[train]'"),
        (ModuleNotFoundError("No module named 'gone'", name="gone"), 70, "report"),
        (PermissionError(errno.EACCES, "Permission denied", "/etc/x"), 2, "/etc/x: Permission denied"),
        (FileExistsError(errno.EEXIST, "File exists", "/tmp/x"), 2, "/tmp/x: File exists"),
        (OSError(errno.ENOSPC, "No space left on device", "/tmp/x"), 3, "/tmp/x: No room"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"), 3, "Connection refused"),
        (TimeoutError("timed out"), 3, "timed out"),
        (ZeroDivisionError("division by zero"), 70, "ZeroDivisionError: division by zero. This is a fault of Seatrial"),
        (KeyboardInterrupt(), 130, ""),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_what_is_no_error_of_ours_does_too(
    seatrial: Command, fault: Fault, error: BaseException, code: int, words: str
) -> None:
    fault(error)
    ended = seatrial("init")
    assert ended.code == code
    assert words in ended.err
    assert ended.out == ""
    assert "Traceback" not in ended.err


def test_the_trace_is_there_for_those_who_ask(seatrial: Command, fault: Fault) -> None:
    fault(ZeroDivisionError("division by zero"))
    ended = seatrial("--log-level", "debug", "init")
    assert "Traceback" in ended.err
    assert "seatrial --log-level debug" in ended.err
    assert ended.code == 70


@pytest.mark.parametrize("how", ["option", "variable"])
def test_a_log_level_that_does_not_exist_is_refused(
    seatrial: Command, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    if how == "variable":
        monkeypatch.setenv("LOG_LEVEL", "loud")
    ended = seatrial(*(["--log-level", "loud"] if how == "option" else []), "config", "show")
    assert (ended.code, ended.out) == (2, "")
    assert "'loud' is no log level" in ended.err


@pytest.mark.parametrize("arguments", [["traim"], ["train", "--no-such-option"], ["convert"], ["serve", "--port", "x"]])
def test_a_command_nobody_knows_is_a_usage_error(seatrial: Command, arguments: list[str]) -> None:
    ended = seatrial(*arguments)
    assert (ended.code, ended.out) == (2, "")
    assert "Error" in ended.err


def test_the_version_and_the_help_are_printed(seatrial: Command) -> None:
    assert (seatrial("--version").out, seatrial("--version").code) == (f"{__version__}\n", 0)
    assert "models" in seatrial("--help").out


@pytest.mark.parametrize(
    "arguments",
    [
        ["train"],
        ["register", "--from", "x"],
        ["convert", "m@1"],
        ["serve"],
        ["models", "list"],
        ["models", "show", "m@1"],
        ["models", "history", "m"],
        ["models", "verify"],
        ["config", "show"],
    ],
    ids=" ".join,
)
def test_a_project_that_is_not_there_is_a_usage_error(seatrial: Command, tmp_path: Path, arguments: list[str]) -> None:
    ended = seatrial(*arguments, "-C", tmp_path / "nowhere")
    assert (ended.code, ended.out) == (2, "")
    assert "nowhere is no directory" in ended.err
    assert list(tmp_path.iterdir()) == []


def process(script: str, directory: Path, **streams: Any) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", script], cwd=directory, text=True, **streams)


WAITING = """
import sys, time
from pathlib import Path
from seatrial.cli.main import run
from seatrial.flows import template
def write_project(directory):
    try:
        Path("began").touch()
        time.sleep(60)
    finally:
        Path("cleaned").touch()
template.write_project = write_project
sys.argv = ["seatrial", "init"]
run()
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_command_cleanly(tmp_path: Path, number: signal.Signals, code: int) -> None:
    running = process(WAITING, tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while not (tmp_path / "began").exists():
        assert running.poll() is None
    running.send_signal(number)
    output, problems = running.communicate(timeout=30)
    assert (running.returncode, output, problems) == (code, "", "")
    assert (tmp_path / "cleaned").exists(), "what it had begun was left open"


IN_A_DESTRUCTOR = """
import sys, time
from pathlib import Path
from seatrial.cli.main import run
from seatrial.flows import template
class Closing:
    def __del__(self):
        Path("began").touch()
        time.sleep(60)
def write_project(directory):
    Closing()
    Path("went on").touch()
    time.sleep(60)
template.write_project = write_project
sys.argv = ["seatrial", "init"]
run()
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_in_a_destructor_which_ignores_it_comes_again(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    running = process(IN_A_DESTRUCTOR, tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while not (tmp_path / "began").exists():
        assert running.poll() is None
    running.send_signal(number)
    output, problems = running.communicate(timeout=30)
    assert (running.returncode, output, problems) == (code, "", "")
    assert (tmp_path / "went on").exists(), "the destructor swallowed the first one"


@pytest.mark.parametrize(
    ("arguments", "code"), [(["config", "show"], 0), (["config", "show", "--json"], 0), (["doctor"], 2)]
)
def test_a_reader_that_has_gone_changes_nothing_about_the_end(tmp_path: Path, arguments: list[str], code: int) -> None:
    (tmp_path / "seatrial.toml").write_text("" if code == 0 else "[serving]\nprot = 1\n")
    reading, writing = os.pipe()
    os.close(reading)
    ended = subprocess.run(
        [sys.executable, "-m", "seatrial.cli", *arguments],
        cwd=tmp_path, stdout=writing, stderr=subprocess.PIPE, text=True, timeout=60,
    )  # fmt: skip
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (code, "")


def test_names_that_are_no_text_can_be_printed(tmp_path: Path) -> None:
    directory = tmp_path / os.fsdecode(b"gar\xe7on")
    ended = subprocess.run(
        [sys.executable, "-m", "seatrial.cli", "init", directory], capture_output=True, cwd=tmp_path, timeout=60
    )
    assert ended.returncode == 0, ended.stderr
    assert rb"gar\udce7on" in ended.stdout
