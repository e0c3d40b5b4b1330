"""One command at a time: the next waits, says for whom, and can be ended while it waits."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from seatrial.domain.errors import StorageFullError
from seatrial.flows.lock import project_lock
from tests.limits import file_size_limit
from tests.waiting import told

HOLD = """
import sys
from pathlib import Path
from seatrial.flows.lock import project_lock
with project_lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""
WAIT = """
import logging, sys
from pathlib import Path
from seatrial.flows.lock import project_lock
logging.basicConfig(level="WARNING", format="%(message)s for %(holder)s")
with project_lock(Path(sys.argv[1])):
    print("held", flush=True)
"""


def start(script: str, home: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, str(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def line(stream: object) -> str:
    return str(stream.readline()).strip()  # type: ignore[attr-defined]  # a pipe, which Popen says may be None


def test_the_second_holder_waits_for_the_first_and_says_for_whom(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    order: list[str] = []

    def second() -> None:
        with project_lock(tmp_path):
            order.append("second")

    with told("another command") as waiting, project_lock(tmp_path):
        thread = threading.Thread(target=second)
        thread.start()
        assert waiting.wait(30)
        order.append("first")
    thread.join(30)
    assert order == ["first", "second"]
    (record,) = caplog.records
    assert record.message == "another command works on this project, waiting for it"
    assert record.holder == str(os.getpid())  # type: ignore[attr-defined]  # an extra field


def test_a_free_lock_is_taken_without_a_word(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(2):
        with project_lock(tmp_path / "new" / "home"):
            pass
    assert caplog.records == []


def test_a_killed_holder_frees_it(tmp_path: Path) -> None:
    holder = start(HOLD, tmp_path)
    assert line(holder.stdout) == "held"
    holder.kill()
    holder.communicate(timeout=30)
    with project_lock(tmp_path):
        pass


def test_ctrl_c_ends_the_waiting(tmp_path: Path) -> None:
    with project_lock(tmp_path):
        waiter = start(WAIT, tmp_path)
        assert line(waiter.stderr).endswith(f"waiting for it for {os.getpid()}")
        waiter.send_signal(signal.SIGINT)
        output, errors = waiter.communicate(timeout=30)
    assert output == ""
    assert errors.rstrip().endswith("KeyboardInterrupt")


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    with pytest.raises(StorageFullError), file_size_limit(0), project_lock(tmp_path):
        pass
    with project_lock(tmp_path):
        pass
