"""The modules of Seatrial, for the tests that say something about all of them."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from types import ModuleType

import seatrial


@cache
def modules() -> tuple[ModuleType, ...]:
    """Every module that people write, imported, the package itself first."""
    names = [
        module.name
        for module in pkgutil.walk_packages(seatrial.__path__, "seatrial.")
        if not module.name.endswith("_pb2")
    ]
    return (seatrial, *map(importlib.import_module, names))


def packages() -> tuple[ModuleType, ...]:
    """Every package below the root, which is a door and no room."""
    return tuple(module for module in modules() if hasattr(module, "__path__") and module is not seatrial)
