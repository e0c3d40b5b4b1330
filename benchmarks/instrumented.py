"""`seatrial serve` that also says how its CPU time divides: engine, tokenizer, and everything else.

    python -m benchmarks.instrumented serve --bundle … --port …

For each line on standard input it prints one of JSON: CPU seconds of the process so far, of them those inside
``Engine.infer`` and inside ``Tokenizer.encode``, each by the clock of the thread that called it. Engines with one
thread compute on their caller's thread, so the clock sees all of them; threads of a library's own count as the rest.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any


@dataclass
class Spent:
    """CPU seconds since the process began."""

    process_s: float = 0.0
    engine_s: float = 0.0
    tokenizer_s: float = 0.0


_spent = Spent()
_lock = threading.Lock()


def timed(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    """The function, with its calls' CPU time added to a field of `_spent`."""

    def call(*args: Any, **kwargs: Any) -> Any:
        started_s = time.thread_time()
        try:
            return function(*args, **kwargs)
        finally:
            spent_s = time.thread_time() - started_s
            with _lock:
                setattr(_spent, name, getattr(_spent, name) + spent_s)

    return call


def report() -> None:
    """Answers each line until standard input ends."""
    for _ in sys.stdin:
        with _lock:
            print(json.dumps(asdict(_spent) | {"process_s": time.process_time()}), flush=True)


def main() -> None:
    """Puts clocks into the two classes, and becomes the command line."""
    from seatrial.cli.main import run
    from seatrial.engines.base import Engine
    from seatrial.text.tokenizer import Tokenizer

    for owner, method, name in ((Engine, "infer", "engine_s"), (Tokenizer, "encode", "tokenizer_s")):
        setattr(owner, method, timed(getattr(owner, method), name))
    threading.Thread(target=report, daemon=True).start()
    run()


if __name__ == "__main__":
    main()
