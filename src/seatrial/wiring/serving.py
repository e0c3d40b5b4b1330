"""The data plane, made from settings and bundles; imports nothing the core install does not have."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from seatrial.bundle import Bundle
from seatrial.config import ServingSettings, Settings

__all__ = ["new_api_key", "run_data_plane"]

_FILES = ("api_keys_file", "admin_token_file", "tls_cert_file", "tls_key_file", "uds")
"""Settings of the section that are paths: relative ones begin at the project."""


def run_data_plane(settings: Settings, bundles: Sequence[Bundle], announce: Callable[[dict[str, Any]], None]) -> None:
    """Loads the bundles and serves them until SIGTERM or SIGINT.

    Args:
        announce: told models and addresses once everything is loaded.

    Raises:
        ConfigError: an address cannot be listened on, or keys or certificate cannot be used.
        BundleError, RefusedArtifactError, UnsupportedModelError: a bundle cannot or may not be served.
    """
    from seatrial.engines.loading import load_engine
    from seatrial.serving.plane import DataPlane
    from seatrial.serving.server import Addresses, serve

    # One thread a call: as many calls run at once as there are cores (serving.sessions).
    plane = DataPlane(_with_whole_paths(settings), functools.partial(load_engine, threads=1))
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


def new_api_key(name: str, requests_per_minute: int | None) -> tuple[str, str]:
    """A new key, and the line of the key file that admits it.

    Raises:
        ConfigError: the name or the limit cannot stand in the file.
    """
    from seatrial.serving.api_keys import key_line, new_key

    key = new_key()
    return key, key_line(name, key, requests_per_minute)


def _with_whole_paths(settings: Settings) -> ServingSettings:
    given = {name: getattr(settings.serving, name) for name in _FILES}
    return settings.serving.model_copy(
        update={name: str(settings.project_dir / path) for name, path in given.items() if path}
    )
