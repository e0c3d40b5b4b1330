"""Which files are a project's state, and which of them are secrets."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from seatrial.config import Settings, mask, sqlite_path
from seatrial.flows.retention import is_half_written

__all__ = ["home_files", "secret_paths", "state_bytes", "text_without_secrets"]

_SQLITE_FILES = ("", "-wal", "-shm", "-journal")
_PUBLIC_FILES = frozenset({"tls_cert_file"})


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
    """Files of keys and tokens that the settings name: whatever ends in `_file`, but for certificates."""
    named = {
        getattr(getattr(settings, section), key)
        for section, kind in settings.sections().items()
        for key in kind.model_fields
        if key.endswith("_file") and key not in _PUBLIC_FILES
    }
    return {(settings.project_dir / Path(name).expanduser()).resolve() for name in named if name}


def text_without_secrets(settings: Settings, text: str) -> str:
    """The text of seatrial.toml with everything hidden that `seatrial config show` hides, in comments, too."""
    for place, shown, _ in settings.rows():
        section, _, key = place.partition(".")
        value = getattr(getattr(settings, section), key)
        if isinstance(value, str) and value and value != shown:
            text = text.replace(value, shown)
    return mask(text)
