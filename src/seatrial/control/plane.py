"""The control plane of one project as a process: the controller's loop, and the HTTP API beside it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from seatrial.control.api import ApiServer
from seatrial.control.controller import Controller
from seatrial.control.loop import run_looks
from seatrial.control.notifying import Notifier
from seatrial.control.signals import ended_by_signals
from seatrial.flows.project import Project
from seatrial.wiring.steering import steering

__all__ = ["run_control_plane"]


def run_control_plane(directory: Path, overrides: dict[str, Any], announce: Callable[[dict[str, Any]], None]) -> None:
    """Looks at the releases of a project, and answers people, until SIGTERM or Ctrl-C.

    Args:
        overrides: settings from the command line.
        announce: told the address of the HTTP API once it listens.

    Raises:
        ConfigError: settings or the secret of the webhook cannot be used, or the port is taken.
        DependencyError: the store cannot be opened.
    """
    with Project(directory, overrides=overrides) as project, ended_by_signals() as stop:
        workshop = project.workshop
        steered = steering(project.settings)
        controller = Controller(workshop, steered)
        with Notifier(workshop, lambda: controller.active), ApiServer(workshop, steered) as api:
            announce({"control": api.url})
            run_looks(controller, lambda: workshop.store.head().seq, project.settings.control.interval_s, stop)
        steered.close()
