"""Releases, as far as they are built: what a plan foretells, and its rehearsal."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seatrial.config import Settings
from seatrial.domain.errors import ConfigError
from seatrial.domain.progress import Progress
from seatrial.wiring import releasing
from seatrial.wiring.releasing import Foretold, Rehearsed
from seatrial.wiring.steering import live_traffic

__all__ = ["foretell", "foretell_live", "plan_overrides", "rehearse"]


def plan_overrides(file: Path) -> dict[str, Any]:
    """What a plan file sets, as overrides of the settings: the keys of [release], with that heading or without.

    Raises:
        ConfigError: it is no TOML, or holds something else.
    """
    try:
        document = tomllib.loads(file.read_text("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{file} cannot be read as TOML: {error}. Write the keys of [release] into it.") from error
    body = document.pop("release", document)
    if not isinstance(body, dict) or (document and body is not document):
        raise ConfigError(f"{file} holds more than a plan: write nothing but the keys of [release] into it.")
    return {f"release.{key}": value for key, value in body.items()}


def foretell(settings: Settings, scenario: Sequence[str]) -> Foretold:
    """Requests, hours, exposure and power of the project's plan; see `wiring.releasing`."""
    return releasing.foretell(settings, scenario)


def foretell_live(settings: Settings, scenario: Sequence[str]) -> Foretold:
    """The same, with the hours from the traffic of the project's data plane, where one runs and has had some."""
    return releasing.foretell(settings, scenario, live_traffic(settings))


def rehearse(settings: Settings, scenario: Sequence[str], runs: int, seed: int, progress: Progress) -> Rehearsed:
    """Rehearses the project's plan; see `wiring.releasing`."""
    return releasing.rehearse(settings, scenario, runs, seed, progress)
