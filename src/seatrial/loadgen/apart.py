"""A load in a process of its own, so that client and caller do not share an interpreter's lock."""

from __future__ import annotations

import subprocess
import sys
from types import TracebackType
from typing import Self

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

    def result(self) -> LoadResult:
        """Waits for the end of the load.

        Raises:
            UnreachableError: the process ended without a result.
        """
        printed, _ = self._process.communicate()
        if self._process.returncode:
            raise UnreachableError(
                f"The load process ended with code {self._process.returncode}: its words above say why."
            )
        return LoadResult.from_json(printed)

    def __enter__(self) -> Self:
        # -P: no module of the working directory may stand in the place of an installed one.
        command = [sys.executable, "-P", "-m", "seatrial.loadgen"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603  our own command line
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(self._load))
        self._process.stdin.close()
        self._process.stdin = None  # else communicate() would flush it again
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._process:
            if self._process.poll() is None:
                self._process.kill()


def run_apart(load: Load) -> LoadResult:
    """Runs a load in a process of its own.

    Raises:
        UnreachableError: the process ended without a result.
    """
    with LoadProcess(load) as running:
        return running.result()
