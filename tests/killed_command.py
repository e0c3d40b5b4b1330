"""A `seatrial` command that the system kills before an act upon the files below a directory.

    python -m tests.killed_command DIRECTORY PLACE SIGNAL ARGUMENT...

It does what the command does and sends itself the signal (KILL or INT) before PLACE: the n-th opening, renaming or
removing of something there, or the first act of a name upon a path that ends so, like ``os.rename index.json``.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

_ACTS = frozenset({"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "shutil.rmtree", "sqlite3.connect"})


def main(directory: str, place: str, name: str, arguments: list[str]) -> None:
    """Runs the command."""
    from seatrial.cli.main import run

    acts = 0

    def watch(event: str, facts: tuple[Any, ...]) -> None:
        nonlocal acts
        if event in _ACTS and any(str(fact).startswith(directory) for fact in facts[:2]):
            acts += 1
            act, _, ending = place.partition(" ")
            if place == str(acts) or (act == event and str(facts[0]).endswith(ending)):
                os.kill(os.getpid(), signal.Signals[f"SIG{name}"])

    sys.argv = ["seatrial", *arguments]
    sys.addaudithook(watch)
    run()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:])
