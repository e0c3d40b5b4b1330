"""Data plane and control plane as two processes of one command: what dies by itself is started again.

They end with the command, even where it is killed: each holds one end of a pipe, see `flows.lifeline`. The data plane
outlives the control plane, not the command that was asked to keep both.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from seatrial.control.signals import ended_by_signals
from seatrial.domain.errors import NotReadyError
from seatrial.flows.lifeline import END_WITH_STDIN
from seatrial.flows.project import Project, refuse_namesakes
from seatrial.flows.serve import announced

__all__ = ["Child", "backoff_s", "up"]

_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0
_STEADY_S = 60.0
"""Who has run for so long is taken for sound: a later end begins the pauses anew."""
_END_WITHIN_S = 10.0
"""How long an end may take that waits for no requests."""
_POLL_S = 0.1
_log = logging.getLogger(__name__)


def backoff_s(ends: int) -> float:
    """How long to wait before starting something again that has ended so often in a row.

    Example:
        >>> [backoff_s(ends) for ends in (1, 2, 3, 20)]
        [0.5, 1.0, 2.0, 30.0]
    """
    return min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** (ends - 1))


@dataclass
class Child:
    """One process that is kept running.

    Attributes:
        name: for people.
        command: its command line without the program; it prints one JSON document when it is ready.
        stop: set when everything is to end; nothing is waited for then.
        end_within_s: how long it may take to end when it is asked to.
        addresses: what it printed; its ports are asked for again at each new start.
    """

    name: str
    command: list[str]
    stop: threading.Event
    end_within_s: float = _END_WITHIN_S
    addresses: dict[str, Any] = field(default_factory=dict)
    _process: subprocess.Popen[bytes] | None = None
    _ends: int = 0
    _started_s: float = 0.0
    _again_at_s: float = 0.0

    def start(self) -> None:
        """Starts it and waits until it is ready.

        Raises:
            NotReadyError: it ended instead, took too long, or everything is to end.
        """
        # -P: no module of the working directory may stand in the place of an installed one. A session of its own:
        # Ctrl-C reaches only the command that keeps it, which ends its children in order.
        command = [sys.executable, "-P", "-m", "seatrial.cli", *self.command, END_WITH_STDIN]
        self._process = subprocess.Popen(  # noqa: S603  our own command line
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
        self._started_s = time.monotonic()
        try:
            self.addresses = announced(self._process, self.stop.is_set)
        except BaseException:
            self.end()
            raise

    def keep(self) -> bool:
        """Starts it again if it has ended and its pause is over; whether it did."""
        now_s = time.monotonic()
        if self._process is not None and self._process.poll() is None:
            return False
        if self._process is not None:
            self._note_end(self._process.returncode, now_s)
        if now_s < self._again_at_s:
            return False
        try:
            self.start()
        except NotReadyError as error:
            if self.stop.is_set():
                return False
            self._note_end(None, time.monotonic())
            _log.warning("not ready", extra={"what": self.name, "reason": str(error)})
            return False
        return True

    def end(self) -> None:
        """Asks it to end, and ends it where it does not."""
        if self._process is None:
            return
        with self._process:  # closes the pipes
            self._process.terminate()
            try:
                self._process.wait(timeout=self.end_within_s)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._process = None

    def _note_end(self, code: int | None, now_s: float) -> None:
        self._ends = 1 if now_s - self._started_s > _STEADY_S else self._ends + 1
        self._again_at_s = now_s + backoff_s(self._ends)
        if self._process is not None:
            with self._process:  # closes the pipes
                pass
        self._process = None
        pause_s = backoff_s(self._ends)
        _log.warning("ended by itself, is started again", extra={"what": self.name, "code": code, "in_s": pause_s})


def up(directories: Sequence[Path], announce: Callable[[dict[str, Any]], None]) -> None:
    """Keeps one data plane and one control plane running for all of the projects, until SIGTERM or Ctrl-C.

    Args:
        directories: of the projects; ports are the first one's.
        announce: told the addresses of both once both are ready.

    Raises:
        ConfigError: settings cannot be used, or two projects make the same model.
        NotReadyError: one of them could not be started in the first place.
    """
    projects = [Project(directory).settings for directory in directories]
    refuse_namesakes(projects)
    serving = projects[0].serving
    project = ["--project", str(directories[0]), "--json"]
    for directory in directories[1:]:
        project += ["--beside", str(directory)]
    with ended_by_signals() as stop:
        draining_s = serving.drain_delay_s + serving.drain_s
        plane = Child("data plane", ["serve", *project], stop, _END_WITHIN_S + draining_s)
        control = Child("control plane", ["control", *project], stop)
        try:
            plane.start()
            plane.command += _ports(plane.addresses)
            control.command += ["--data-plane-url", plane.addresses["internal"]]
            control.start()
            control.command += ["--port", str(urlsplit(control.addresses["control"]).port)]
            announce({**plane.addresses, **control.addresses})
            _keep((plane, control), stop)
        except NotReadyError:
            if not stop.is_set():
                raise
        finally:
            control.end()
            plane.end()


def _keep(children: Sequence[Child], stop: threading.Event) -> None:
    while not stop.wait(_POLL_S):
        for child in children:
            if child.keep():
                _log.info("started again", extra={"what": child.name})


def _ports(addresses: dict[str, Any]) -> list[str]:
    """The ports it has got, so that it comes back where people look for it."""
    ports = ["--internal-port", str(urlsplit(addresses["internal"]).port)]
    public = urlsplit(addresses["public"]).port
    return [*ports, "--port", str(public)] if public else ports
