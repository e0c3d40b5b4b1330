"""Starting the data plane from references or bundle directories; needs neither registry nor database."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from seatrial.bundle import Bundle, BundleIndex
from seatrial.config import Settings, load_settings
from seatrial.domain.model import VersionRef

__all__ = ["bundles_of", "serve"]


def serve(
    project_dir: Path,
    refs: Sequence[str],
    directories: Sequence[Path],
    overrides: Mapping[str, Any],
    announce: Callable[[dict[str, Any]], None],
) -> None:
    """Serves until SIGTERM or SIGINT, then finishes what runs and returns.

    Args:
        refs: ``MODEL@V``, resolved through the bundle index; with no directories either, the project's production.
        directories: bundle directories to serve as they are.
        overrides: settings from the command line.
        announce: told the addresses once they are open.

    Raises:
        BundleError, RefusedArtifactError, UnknownVersionError: a bundle cannot or may not be served.
        ConfigError: settings cannot be used, or a port is taken.
    """
    settings = load_settings(project_dir, overrides=overrides)
    bundles = bundles_of(settings, refs, directories)
    from seatrial.wiring.serving import run_data_plane

    run_data_plane(settings, bundles, announce)


def bundles_of(settings: Settings, refs: Sequence[str], directories: Sequence[Path]) -> list[Bundle]:
    """Finds the bundles to serve and refuses those that may not be; their files are checked when they are loaded."""
    index = BundleIndex(settings.bundles_dir)
    wanted = [VersionRef.parse(ref) for ref in refs]
    if not wanted and not directories:
        wanted = [VersionRef.parse(settings.model.name)]
    bundles = [index.resolve(ref, settings.serving.artifact, verify=False) for ref in wanted]
    bundles += [Bundle.open(directory, verify=False) for directory in directories]
    for bundle in bundles:
        bundle.require_servable()
    return bundles
