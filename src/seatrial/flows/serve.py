"""Starting the data plane, here or in a process of its own; needs neither registry nor database."""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from seatrial.bundle import Bundle
from seatrial.config import Settings
from seatrial.domain.errors import NotReadyError
from seatrial.flows.lifeline import END_WITH_STDIN
from seatrial.flows.project import Project, refuse_namesakes

__all__ = ["Server", "announced", "bundles_of", "new_api_key", "port_fault", "serve"]

_READY_WITHIN_S = 120.0
_END_WITHIN_S = 30.0
_POLL_S = 0.1


def serve(
    project_dirs: Sequence[Path],
    refs: Sequence[str],
    directories: Sequence[Path],
    overrides: Mapping[str, Any],
    announce: Callable[[dict[str, Any]], None],
) -> None:
    """Serves until SIGTERM or SIGINT, then finishes what runs and returns.

    Args:
        project_dirs: of the projects; the first one's section [serving] and home hold for the process.
        refs: ``MODEL@V``, resolved through the bundle index; with no directories either, what is in production.
        directories: bundle directories to serve as they are.
        overrides: settings from the command line, for all projects.
        announce: told the models and addresses once everything is loaded.

    Raises:
        BundleError, RefusedArtifactError, UnknownVersionError: a bundle cannot or may not be served.
        ConfigError: settings cannot be used, two projects make the same model, or a port is taken.
    """
    projects = [Project(directory, overrides=overrides).settings for directory in project_dirs]
    refuse_namesakes(projects)
    bundles = bundles_of(projects, refs, directories)
    from seatrial.wiring.serving import run_data_plane

    run_data_plane(projects, bundles, announce)


def bundles_of(projects: Sequence[Settings], refs: Sequence[str], directories: Sequence[Path]) -> list[Bundle]:
    """Finds the bundles to serve and refuses those that may not be; their files are checked when they are loaded."""
    from seatrial.wiring.serving import find_bundle

    wanted = list(refs)
    if not wanted and not directories:
        wanted = [settings.model.name for settings in projects if not settings.serving.handler]
    bundles = [find_bundle(projects, ref) for ref in wanted]
    bundles += [Bundle.open(directory, verify=False) for directory in directories]
    for bundle in bundles:
        bundle.require_servable()
    return bundles


def new_api_key(name: str, requests_per_minute: int | None = None) -> tuple[str, str]:
    """A new key for the public port or for /admin, and the line of the key file that admits it.

    Raises:
        ConfigError: the name or the limit cannot stand in the file.
    """
    from seatrial.wiring.serving import new_api_key as make

    return make(name, requests_per_minute)


def port_fault(host: str, port: int) -> str:
    """Why nothing could listen on an address now, in the system's words; empty where something could."""
    try:
        socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
    except OSError as error:
        return error.strerror or str(error)
    return ""


class Server:
    """A data plane in a process of its own: ready when its block is entered, ended when it is left.

    Args:
        arguments: of the command.
        environment: variables it gets besides those of this process.
        command: ``serve``, or ``up`` for a data plane with a control plane beside it.

    Attributes:
        url: where it answers.
        internal_url: where its metrics are.
        grpc: ``host:port`` of gRPC, empty where it is not spoken.
        ready_s: how long it took until it answered, the start of Python included.
    """

    def __init__(
        self, arguments: Sequence[str], environment: Mapping[str, str] | None = None, command: str = "serve"
    ) -> None:
        self.url = ""
        self.internal_url = ""
        self.grpc = ""
        self.ready_s = 0.0
        self._environment = {**os.environ, **(environment or {})}
        # -P: no module of the working directory may stand in the place of an installed one.
        self._command = [sys.executable, "-P", "-m", "seatrial.cli", command, "--json", END_WITH_STDIN, *arguments]
        self._process: subprocess.Popen[bytes]

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def terminate(self) -> None:
        """Asks it to end: it answers what it has taken first."""
        self._process.terminate()

    def exit_code(self, within_s: float) -> int | None:
        """Waits for its end; None where it does not come in time."""
        try:
            return self._process.wait(within_s)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, announce: Callable[[], None] = lambda: None) -> None:
        """Until Ctrl-C, or until somebody ends the process.

        Args:
            announce: says so to people, called first: who reads it may press Ctrl-C at once.

        Raises:
            NotReadyError: it ended by itself, with a fault.
        """
        with contextlib.suppress(KeyboardInterrupt):
            announce()
            code = self._process.wait()
            if code:
                raise NotReadyError(f"The data plane ended by itself, with code {code}: its log above says why.")

    def __enter__(self) -> Self:
        """Starts the process.

        Raises:
            NotReadyError: it ended instead of becoming ready, or took too long.
        """
        started = time.monotonic()
        self._process = subprocess.Popen(  # noqa: S603  our own command line
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=self._environment
        )
        try:
            addresses = announced(self._process)
            self.url, self.internal_url = addresses["public"], addresses["internal"]
            self.grpc = addresses.get("grpc") or ""
        except BaseException:
            self._end()
            raise
        self.ready_s = time.monotonic() - started
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        with self._process:  # closes the pipes
            self._process.terminate()
            try:
                self._process.wait(timeout=_END_WITHIN_S)
            except (subprocess.TimeoutExpired, KeyboardInterrupt):
                self._process.kill()


def announced(process: subprocess.Popen[bytes], given_up: Callable[[], bool] = lambda: False) -> dict[str, Any]:
    """What `seatrial serve --json` prints when it is ready.

    Args:
        given_up: asked again and again meanwhile: whether nobody waits for it any more.

    Raises:
        NotReadyError: it ended instead, took too long, or was given up.
    """
    assert process.stdout is not None
    deadline_s = time.monotonic() + _READY_WITHIN_S
    printed = b""
    while time.monotonic() < deadline_s:
        if given_up():
            raise NotReadyError("The data plane was told to end before it was ready.")
        if not select.select([process.stdout], [], [], _POLL_S)[0]:
            continue
        piece = os.read(process.stdout.fileno(), 65536)
        if not piece:
            raise NotReadyError("The data plane ended before it was ready: its words above say why.")
        printed += piece
        with contextlib.suppress(ValueError):  # not whole yet
            announcement: dict[str, Any] = json.loads(printed)
            return announcement
    raise NotReadyError(f"The data plane was not ready within {_READY_WITHIN_S:.0f} s: run seatrial serve to see why.")
