"""A load in a process of its own, so that client and caller do not share an interpreter's lock."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
from types import TracebackType
from typing import IO, Self

import msgspec

from seatrial.domain.errors import UnreachableError
from seatrial.loadgen.plan import Load
from seatrial.loadgen.results import LoadResult

__all__ = ["LoadProcess", "run_apart"]


class LoadProcess:
    """A load that runs while its block does; left early, it is ended.

    Example::

        with LoadProcess(load) as running:
            ...  # do something to the server meanwhile
            result = running.result()
    """

    def __init__(self, load: Load) -> None:
        self._load = load
        self._process: subprocess.Popen[bytes]
        self._printed: IO[bytes]

    def is_alive(self) -> bool:
        """Whether the load is still under way."""
        return self._process.poll() is None

    def result(self) -> LoadResult:
        """Waits for the end of the load.

        Raises:
            UnreachableError: the process ended without a result.
        """
        code = self._process.wait()
        if code:
            raise UnreachableError(f"The load process ended with code {code}: its words above say why.")
        self._printed.seek(0)
        return LoadResult.from_json(self._printed.read())

    def __enter__(self) -> Self:
        # -P: no module of the working directory may stand in the place of an installed one.
        command = [sys.executable, "-P", "-m", "seatrial.loadgen"]
        # A file takes any result at once; a pipe would hold the process until somebody reads.
        self._printed = tempfile.TemporaryFile()
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=self._printed)  # noqa: S603  our own command line
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it ended already: `result` says so
            self._process.stdin.write(msgspec.json.encode(self._load))
            self._process.stdin.close()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._printed, self._process:
            if self._process.poll() is None:
                self._process.kill()


def run_apart(load: Load) -> LoadResult:
    """Runs a load in a process of its own.

    Raises:
        UnreachableError: the process ended without a result.
    """
    with LoadProcess(load) as running:
        return running.result()
