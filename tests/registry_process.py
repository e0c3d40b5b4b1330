"""Processes of their own that register a version, for tests that kill them or run several at once.

They are forked from a server that has imported MLflow already: an import costs seconds, a fork nothing.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow.store.db.utils
import mlflow.store.tracking.sqlalchemy_store
from mlflow import MlflowClient

from seatrial.registry import mlflow_database
from tests.builders import SIGNATURE
from tests.mlflow_stores import lineage, sqlite_registry

__all__ = ["gate", "register", "register_together", "start"]

# What registering calls: a kill may come before or after each.
CALLS = (
    *("create_experiment", "create_run", "log_batch", "log_text", "create_registered_model", "create_model_version"),
    *("get_experiment_by_name", "search_runs", "search_model_versions", "get_run", "set_terminated"),
)
# What it does to files: a kill may come before each.
EVENTS = frozenset({"os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.chmod"})

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.registry_process"])


class Fuse:
    """Kills its process at the chosen moment; writes the names of the moments before it to a file."""

    def __init__(self, moment: int, log: Path) -> None:
        self.left = moment
        self.log = log.open("a", encoding="utf-8")

    def burn(self, name: str) -> None:
        self.left -= 1
        if not self.left:
            os.kill(os.getpid(), signal.SIGKILL)
        self.log.write(f"{name}\n")
        self.log.flush()

    def attach(self, owner: Any, name: str) -> None:
        """Burns before and after each call of a function."""
        call = getattr(owner, name)

        def burning(*arguments: Any, **options: Any) -> Any:
            self.burn(f"before {name}")
            result = call(*arguments, **options)
            self.burn(f"after {name}")
            return result

        setattr(owner, name, burning)

    def hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Burns before each change of a file below the directory of the log."""
        if event in EVENTS and str(arguments[0]).startswith(str(Path(self.log.name).parent)):
            self.burn(event)


def register(directory: Path, source: Path, key: str, moment: int) -> None:
    """Registers a version, and dies at the moment; at none if it is 0."""
    mlflow_database._MEMORY_DIR = directory  # so that what a killed process leaves goes with the test
    fuse = Fuse(moment, directory / "moments")
    for name in CALLS:
        fuse.attach(MlflowClient, name)
    fuse.attach(mlflow.store.db.utils, "_upgrade_db")
    sys.addaudithook(fuse.hear)
    sqlite_registry(directory).create_version("tiny", SIGNATURE, lineage(key), source)


def register_together(directory: Path, source: Path, key: str, gate: threading.Barrier) -> None:
    """Registers a version; all processes that share the gate make theirs at the same moment."""
    create_model_version: Callable[..., Any] = MlflowClient.create_model_version

    def create_together(self: MlflowClient, *arguments: Any, **options: Any) -> Any:
        gate.wait(60)
        return create_model_version(self, *arguments, **options)

    MlflowClient.create_model_version = create_together
    version = sqlite_registry(directory).create_version("tiny", SIGNATURE, lineage(key), source)
    (directory / f"{os.getpid()}.version").write_text(str(version.version))


def start(target: Callable[..., None], *arguments: Any) -> Any:
    """Starts a process; gives it back with `join` and `exitcode`."""
    process = _context.Process(target=target, args=arguments)
    process.start()
    return process


def gate(parties: int) -> Any:
    """A barrier for processes."""
    return _context.Barrier(parties)
