"""Waiting for a server or a word of a thread that a test started, and ports."""

from __future__ import annotations

import contextlib
import logging
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator


def free_port() -> int:
    """A loopback port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def told(words: str) -> Iterator[threading.Event]:
    """An event that is set when something of Seatrial logs a message with these words."""
    heard = threading.Event()

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if words in record.getMessage():
                heard.set()

    listener, logger = Listener(), logging.getLogger("seatrial")
    logger.addHandler(listener)
    try:
        yield heard
    finally:
        logger.removeHandler(listener)


def until(true: Callable[[], bool], process: subprocess.Popen[bytes], within_s: float = 60.0) -> None:
    """Waits until something is true; fails at once when the process has ended, or after `within_s`."""
    started = time.monotonic()
    while not true():
        if process.poll() is not None:
            errors = process.stderr.read().decode() if process.stderr else ""
            raise AssertionError(f"the process ended with {process.returncode}: {errors[-3000:]}")
        assert time.monotonic() - started < within_s, "it did not happen in time"
        time.sleep(0.02)
