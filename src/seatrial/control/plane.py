"""The control plane as a process: a loop for each project, and one HTTP API beside them."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

from seatrial.control.api import ApiServer
from seatrial.control.controller import Controller
from seatrial.control.loop import run_looks
from seatrial.control.notifying import Notifier
from seatrial.control.projects import Projects, Steered
from seatrial.control.signals import ended_by_signals
from seatrial.flows.project import Project, refuse_namesakes
from seatrial.wiring.notifying import receivers
from seatrial.wiring.steering import steering

__all__ = ["look_after", "run_control_plane"]


def run_control_plane(
    directories: Sequence[Path], overrides: dict[str, Any], announce: Callable[[dict[str, Any]], None]
) -> None:
    """Looks at the releases of projects, and answers people, until SIGTERM or Ctrl-C.

    Args:
        directories: of the projects; the first one's section [control] holds for the process.
        overrides: settings from the command line, for all of them.
        announce: told the address of the HTTP API once it listens.

    Raises:
        ConfigError: settings cannot be used, two projects make the same model, or the port is taken.
        DependencyError: a store cannot be opened.
    """
    with contextlib.ExitStack() as stack:
        stop = stack.enter_context(ended_by_signals())
        opened = [stack.enter_context(Project(directory, overrides=overrides)) for directory in directories]
        refuse_namesakes([project.settings for project in opened])
        for project in opened:
            receivers(project.settings).close()  # a webhook without its secret is refused before anything is announced
        steered = [
            Steered(project.workshop, stack.enter_context(contextlib.closing(steering(project.settings))))
            for project in opened
        ]
        api = stack.enter_context(ApiServer(Projects(steered)))
        announce({"control": api.url})
        look_after(steered, stop)


def look_after(steered: Sequence[Steered], stop: threading.Event) -> None:
    """Runs a controller for each project until `stop` is set, or one of them ends by a fault of Seatrial.

    Each has a thread, so that one whose store is slow or away holds up no other.
    """
    with ThreadPoolExecutor(len(steered), thread_name_prefix="controller") as threads:
        running = [threads.submit(_run, one, stop) for one in steered]
        wait(running, return_when=FIRST_COMPLETED)
        stop.set()  # the process ends then, and whoever keeps it starts it again
    for ended in running:
        ended.result()


def _run(steered: Steered, stop: threading.Event) -> None:
    workshop = steered.workshop
    controller = Controller(workshop, steered.steering)
    with Notifier(workshop, lambda: controller.active):
        run_looks(controller, lambda: workshop.store.head().seq, workshop.settings.control.interval_s, stop)
