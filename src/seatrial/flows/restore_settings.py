"""Which settings a restored project has, and what they lack: backups hold no passwords and no keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from seatrial.config import CONFIG_FILE, Settings, load_settings, sqlite_path, sqlite_url
from seatrial.domain.errors import ConfigError
from seatrial.flows.backup_manifest import PROJECT, BackupManifest, require_unaltered

__all__ = ["moved", "require_key", "settings_for"]


def settings_for(source: Path, manifest: BackupManifest, project_dir: Path) -> Settings:
    """The settings of the project, or of the backup where the project has none."""
    name = f"{PROJECT}/{CONFIG_FILE}"
    if (project_dir / CONFIG_FILE).exists() or name not in manifest.files:
        return load_settings(project_dir)
    require_unaltered(source, manifest, name)
    settings = load_settings(source / PROJECT)
    if any(":***@" in url for url in (settings.store.database_url, settings.registry.tracking_uri)):
        raise ConfigError(
            f"The backup's {CONFIG_FILE} names a server, and its password was left out: put one of your own into "
            f"{project_dir}, or set SEATRIAL_STORE__DATABASE_URL and SEATRIAL_REGISTRY__TRACKING_URI."
        )
    return settings.model_copy(update={"project_dir": project_dir, "home": load_settings(project_dir).home})


def moved(settings: Settings, home: Path) -> Settings:
    """The settings with the home elsewhere, and with it whatever they keep below it."""
    store, registry = settings.store, settings.registry
    places: dict[str, Any] = {}
    if (path := sqlite_path(store.database_url)) and path.is_relative_to(settings.home):
        places["database_url"] = sqlite_url(home / path.relative_to(settings.home))
    if store.bundles_dir and settings.bundles_dir.is_relative_to(settings.home):
        places["bundles_dir"] = str(home / settings.bundles_dir.relative_to(settings.home))
    store = store.model_copy(update=places)
    if (path := sqlite_path(registry.tracking_uri)) and path.is_relative_to(settings.home):
        registry = registry.model_copy(update={"tracking_uri": sqlite_url(home / path.relative_to(settings.home))})
    return settings.model_copy(update={"home": home, "store": store, "registry": registry})


def require_key(settings: Settings) -> None:
    """Raises ConfigError early where the ledger's signing key, which no backup holds, is missing."""
    name = settings.store.signing_key_file
    if name and not (settings.project_dir / Path(name).expanduser()).is_file():
        raise ConfigError(
            f"store.signing_key_file: {settings.project_dir / name} is not there, and no backup holds keys: put it "
            "there first, or set another."
        )
