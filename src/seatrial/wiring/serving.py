"""The data plane, made from settings and bundles; imports nothing the core install does not have."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from seatrial.bundle import Bundle
from seatrial.config import Settings

__all__ = ["run_data_plane"]


def run_data_plane(settings: Settings, bundles: Sequence[Bundle], announce: Callable[[dict[str, Any]], None]) -> None:
    """Loads the bundles and serves them until SIGTERM or SIGINT.

    Args:
        announce: told models and addresses once everything is loaded.

    Raises:
        ConfigError: an address cannot be listened on.
        BundleError, RefusedArtifactError, UnsupportedModelError: a bundle cannot or may not be served.
    """
    from seatrial.engines.loading import load_engine
    from seatrial.serving.plane import DataPlane
    from seatrial.serving.server import Addresses, serve

    # One thread a call: as many calls run at once as there are cores (serving.sessions).
    plane = DataPlane(settings.serving, functools.partial(load_engine, threads=1))
    opened: list[Addresses] = []

    def ready() -> None:
        announce(
            {
                "models": [variant.ref for variant in plane.variants],
                "public": opened[0].public_url,
                "internal": opened[0].internal_url,
            }
        )

    serve(plane, bundles, announce=opened.append, on_ready=ready)
