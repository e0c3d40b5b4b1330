"""Which files are a project's state, and which of them are secrets."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from seatrial.config import Settings, sqlite_path
from seatrial.flows.retention import is_half_written

__all__ = ["home_files", "secret_paths", "state_bytes"]

_SQLITE_FILES = ("", "-wal", "-shm", "-journal")
_SECRET_FILES = (
    "serving.tls_key_file", "serving.api_keys_file", "serving.admin_token_file", "control.data_plane_token_file",
    "control.tokens_file", "store.signing_key_file",
)  # fmt: skip


def state_bytes(settings: Settings) -> int:
    """About how much a backup has to copy."""
    paths = [*home_files(settings), *settings.bundles_dir.rglob("*")]
    return sum(path.lstat().st_size for path in paths if path.is_file() and not path.is_symlink())


def home_files(settings: Settings) -> Iterator[Path]:
    """What a backup copies from the home as it is: all but databases, bundles, caches, locks and half-written files.

    The data plane's split is left out, too: it follows the store.
    """
    databases = (sqlite_path(settings.database_url), sqlite_path(settings.tracking_uri))
    apart = {Path(f"{path}{ending}") for path in databases if path for ending in _SQLITE_FILES}
    apart |= {settings.cache_dir, settings.bundles_dir, settings.home / "traffic.json"}
    for directory, names, files in os.walk(settings.home):
        here = Path(directory)
        if here.relative_to(settings.home).parts[:1] != ("mlartifacts",):  # there, names are not ours
            names[:] = [name for name in names if not is_half_written(name)]
            files = [name for name in files if not is_half_written(name) and not name.endswith(".lock")]
        names[:] = sorted(name for name in names if here / name not in apart)
        yield from (here / name for name in sorted(files) if here / name not in apart)


def secret_paths(settings: Settings) -> set[Path]:
    """Files of keys and tokens that the settings name."""
    names = (place.partition(".") for place in _SECRET_FILES)
    values = (getattr(getattr(settings, section), key) for section, _, key in names)
    return {(settings.project_dir / Path(value).expanduser()).resolve() for value in values if value}
