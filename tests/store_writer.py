"""A process of its own that writes to a store, for tests that kill it, starve it or run several at once.

    python -m tests.store_writer URL entries|churn|fill COUNT

Each line it prints, flushed, is ``seq sha256`` of an entry that was acknowledged. ``entries`` appends COUNT notes;
``churn`` appends and moves an alias by turns for ever; ``fill`` appends until its files may not grow past COUNT bytes,
then prints the error's class and message.
"""

from __future__ import annotations

import os
import resource
import signal
import sys

from seatrial.domain.errors import DependencyError
from seatrial.domain.model import Alias
from seatrial.store.ledger import EntryKind, LedgerEntry
from seatrial.store.store import Store

FILLER = "x" * 2000


def main(url: str, mode: str, count: int) -> None:
    """Writes as asked."""
    with Store.open(url) as store:
        if mode == "entries":
            for i in range(count):
                acknowledge(note(store, i))
        elif mode == "churn":
            churn(store, store.head().seq)
        else:
            fill(store, count)


def churn(store: Store, version: int) -> None:
    """An append, then a move, for ever."""
    while True:
        version += 1
        acknowledge(note(store, version))
        acknowledge(store.move_aliases("m", {Alias.PRODUCTION: version}, actor="writer", reason="Next."))


def fill(store: Store, limit_bytes: int) -> None:
    """Appends until the operating system refuses to let a file grow."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, resource.RLIM_INFINITY))
    try:
        while True:
            acknowledge(store.move_aliases("m", {Alias.STAGING: store.head().seq + 1}, actor="writer", reason=FILLER))
    except DependencyError as error:
        print(type(error).__name__, error, flush=True)


def note(store: Store, number: int) -> LedgerEntry:
    """One small entry that says who wrote it."""
    return store.append(EntryKind.NOTE, "m", None, {"process": os.getpid(), "number": number}, "writer")


def acknowledge(entry: LedgerEntry | None) -> None:
    """What a caller was told."""
    assert entry is not None
    print(entry.seq, entry.sha256, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
