"""Seatrial takes a trained model to production and keeps it healthy there.

The package root is a door, not a room: it names the version and the few public objects, each imported when first
used, so that ``import seatrial`` stays instant and the data plane never pays for what it does not need.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"
__all__ = ["AsyncClient", "Client", "Project", "__version__"]

if TYPE_CHECKING:
    from seatrial.client import AsyncClient, Client
    from seatrial.flows.project import Project


def __getattr__(name: str) -> Any:
    if name == "Project":
        from seatrial.flows.project import Project

        return Project
    if name in ("AsyncClient", "Client"):
        from seatrial import client

        return getattr(client, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
