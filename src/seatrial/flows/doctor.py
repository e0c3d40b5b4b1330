"""What works on this machine and in this project, what is missing, and what to do about it."""

from __future__ import annotations

import enum
import importlib.util
import os
import platform
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seatrial import __version__
from seatrial.config import Settings, mask, sqlite_path
from seatrial.domain.errors import DependencyError, MissingExtraError, SeatrialError
from seatrial.flows.extras import EXTRAS
from seatrial.flows.project import Project
from seatrial.flows.serve import port_fault

__all__ = ["Check", "State", "examine"]

_ROOM_BYTES = 3 * 2**30
"""Free disk a training with its registry and bundles needs, with room to spare."""


class State(enum.Enum):
    """How a check came out."""

    OK = "ok"
    NOTE = "note"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at.

    Attributes:
        advice: what to do, empty when nothing need be done.
        outside: whether the fault lies with a server or disk rather than with the settings.
    """

    what: str
    state: State
    found: str
    advice: str = ""
    outside: bool = False

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dictionary."""
        return {"what": self.what, "state": self.state.value, "found": self.found, "advice": self.advice}


def examine(project_dir: Path) -> list[Check]:
    """Looks at machine, installation and project; makes nothing that is not there."""
    checks = [*_machine(), *_extras()]
    try:
        settings = Project(project_dir).settings
    except SeatrialError as error:
        return [*checks, Check("settings", State.BROKEN, str(error), "Mend seatrial.toml or the variable named.")]
    changed = len(settings.origins)
    checks.append(Check("settings", State.OK, f"{settings.project_dir}, {changed} changed from their defaults"))
    return [*checks, *_places(settings), *_ports(settings), *_databases(settings), *_receivers(settings)]


def _machine() -> Iterator[Check]:
    yield Check("seatrial", State.OK, f"{__version__} on Python {platform.python_version()}")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    yield Check("machine", State.OK, f"{os.cpu_count()} cores, {memory / 2**30:.0f} GiB memory, {platform.machine()}")
    flags = _processor_flags()
    vnni = sorted(flags & {"avx512_vnni", "avx_vnni", "amx_int8"})
    if vnni:
        yield Check("int8 arithmetic", State.OK, ", ".join(vnni))
    else:
        yield Check(
            "int8 arithmetic", State.NOTE, "no VNNI", "int8 artifacts are made with 7-bit weights (reduce_range)."
        )
    if Path("/proc/driver/nvidia/version").exists():
        yield Check("GPU", State.OK, "NVIDIA driver found")
    else:
        yield Check("GPU", State.NOTE, "none", "Everything runs on the processor; gpu_memory_used_bytes stays absent.")


def _processor_flags() -> set[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return set()
    return {flag for line in lines if line.startswith("flags") for flag in line.partition(":")[2].split()}


def _extras() -> Iterator[Check]:
    for extra, modules in EXTRAS.items():
        missing = [module for module in modules if importlib.util.find_spec(module) is None]
        if missing:
            advice = f"pip install 'seatrial[{extra}]' if you need that step here."
            yield Check(f"extra {extra}", State.NOTE, f"missing: {', '.join(missing)}", advice)
        else:
            yield Check(f"extra {extra}", State.OK, "installed")


def _places(settings: Settings) -> Iterator[Check]:
    home = settings.home
    standing = next(parent for parent in (home, *home.parents) if parent.exists())
    if not os.access(standing, os.W_OK):
        yield Check(
            "home", State.BROKEN, f"{home} cannot be written", "Set SEATRIAL_HOME to a directory of yours.", True
        )
        return
    free = shutil.disk_usage(standing).free
    found = f"{home}, {free / 2**30:.0f} GiB free"
    if free < _ROOM_BYTES:
        yield Check("home", State.BROKEN, found, f"Make room: {_ROOM_BYTES / 2**30:.0f} GiB are needed.", True)
    else:
        yield Check("home", State.OK, found)


def _ports(settings: Settings) -> Iterator[Check]:
    names = ("grpc_port", "internal_port") if settings.serving.uds else ("port", "grpc_port", "internal_port")
    for name in names:
        port = getattr(settings.serving, name)
        fault = port_fault(settings.serving.host, port)
        if fault:
            advice = f"Set serving.host or serving.{name}, or end what listens there."
            yield Check(f"serving.{name}", State.NOTE, f"{port}: {fault}", advice)
        else:
            yield Check(f"serving.{name}", State.OK, f"{port} is free" if port else "any that is free")


def _databases(settings: Settings) -> Iterator[Check]:
    from seatrial.wiring.workshop import Workshop

    workshop = Workshop(settings)
    try:
        yield _database("ledger", settings.database_url, lambda: f"{workshop.store.head().seq} entries")
        yield _database("registry", settings.tracking_uri, lambda: f"{len(workshop.registry.list_models())} models")
    finally:
        workshop.close()


def _receivers(settings: Settings) -> Iterator[Check]:
    """Whether decisions and alarms can be told; nothing is sent here."""
    from seatrial.wiring.notifying import receivers

    try:
        named = receivers(settings)
    except SeatrialError as error:
        yield Check("webhook", State.BROKEN, str(error), "Give it its secret.")
        return
    advice = "seatrial notifications test sends a message there."
    for what, receiver in (("webhook", named.webhook), ("alertmanager", named.alertmanager)):
        if receiver is not None:
            yield Check(what, State.OK, receiver.shown, advice)
    path = sqlite_path(settings.database_url)
    if named.webhook is not None and (path is None or path.exists()):
        yield from _waiting(settings)


def _waiting(settings: Settings) -> Iterator[Check]:
    """Whether the webhook keeps messages waiting."""
    from seatrial.flows.notifications import standing
    from seatrial.wiring.workshop import Workshop

    workshop = Workshop(settings)
    try:
        stands = standing(workshop)
    except SeatrialError:
        return  # the check of the ledger says why
    finally:
        workshop.close()
    if stands["fault"]:
        found = f"{stands['waiting']} wait since {stands['failing_since']}: {stands['fault']}"
        yield Check("notifications", State.NOTE, found, "seatrial notifications test tells what it answers now.")


def _database(what: str, url: str, question: Callable[[], str]) -> Check:
    path = sqlite_path(url)
    if path is not None and not path.exists():
        return Check(what, State.OK, f"{mask(url)}: none yet, the first command that needs it makes it")
    try:
        return Check(what, State.OK, f"{mask(url)}, {question()}")
    except MissingExtraError as error:
        return Check(what, State.NOTE, str(error), "Needed on the control side only; serving goes on without.")
    except SeatrialError as error:
        return Check(what, State.BROKEN, str(error), "", outside=isinstance(error, DependencyError))
