"""A process that ends when its standard input does, in order."""

from __future__ import annotations

import subprocess
import sys

_CHILD = """
import signal, sys, time
from seatrial.flows.lifeline import end_with_stdin

def told(*_):
    print("told to end", flush=True)
    sys.exit(0)  # wherever it is by now: the signal may come before the sleep

signal.signal(signal.SIGTERM, told)
end_with_stdin()
print("runs", flush=True)
time.sleep(60)
"""


def test_the_end_of_standard_input_asks_it_to_end() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stdout.readline() == "runs\n"
        child.stdin.write("words change nothing")
        child.stdin.flush()
        assert child.poll() is None
        child.stdin.close()
        assert child.stdout.read() == "told to end\n"
    assert child.returncode == 0
