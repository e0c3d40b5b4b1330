"""Ending with whoever started this process, though it was killed and could end nobody.

The parent holds the other end of the pipe that is the child's standard input. The kernel closes it when the parent
ends, however it ends; the child reads that as the end of its input.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

__all__ = ["END_WITH_STDIN", "end_with_stdin"]

END_WITH_STDIN = "--end-with-stdin"
"""Option of the commands that can do so."""
_PIECE_BYTES = 4096


def end_with_stdin() -> None:
    """From now on, the end of standard input ends this process in order, as SIGTERM does."""
    threading.Thread(target=_await_end, args=(sys.stdin.fileno(),), name="lifeline", daemon=True).start()


def _await_end(descriptor: int) -> None:
    while os.read(descriptor, _PIECE_BYTES):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
