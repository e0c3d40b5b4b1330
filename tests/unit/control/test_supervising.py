"""Starting again what ends by itself, with pauses, and ending at once."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from seatrial.control.supervising import Child
from seatrial.domain.errors import NotReadyError
from seatrial.flows.serve import announced


@pytest.fixture
def stop() -> threading.Event:
    return threading.Event()


def test_what_cannot_start_is_told(stop: threading.Event) -> None:
    child = Child("data plane", ["no-such-command"], stop)
    with pytest.raises(NotReadyError, match="ended before it was ready"):
        child.start()
    child.end()


def test_what_cannot_start_again_is_tried_with_pauses(stop: threading.Event) -> None:
    child = Child("data plane", ["no-such-command"], stop)
    assert not child.keep()
    assert not child.keep(), "its pause is not over"
    child.end()


def test_who_is_to_end_waits_for_no_start(stop: threading.Event, caplog: pytest.LogCaptureFixture) -> None:
    child = Child("data plane", ["config", "show"], stop)
    stop.set()
    assert not child.keep()
    assert child.addresses == {}
    assert not caplog.records, "that it is not ready is no news"


def test_a_process_that_says_nothing_is_given_up_when_asked() -> None:
    command = [sys.executable, "-c", "input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        asked = iter((False, True))
        with pytest.raises(NotReadyError, match="told to end"):
            announced(process, lambda: next(asked))
        process.kill()
