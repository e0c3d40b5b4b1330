"""A project's state out of a backup: whole, or as it was before.

Everything is put together beside its place and checked against the backup's digests on the way; only then is the old
state moved aside and the new one moved in. A ledger in a database of its own is filled in one transaction, and only if
it is empty. Killed anywhere, the same command does the rest.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from seatrial.bundle import write_directory_atomically, write_text_atomically
from seatrial.config import CONFIG_FILE, Settings, sqlite_path
from seatrial.domain.errors import DependencyError, SeatrialError, UnreachableError, UsageError
from seatrial.domain.evidence import Finding, Verdict
from seatrial.domain.progress import Progress
from seatrial.flows import audit
from seatrial.flows.backup import in_production
from seatrial.flows.backup_manifest import (
    BUNDLES,
    HOME,
    PROJECT,
    REGISTRY,
    STORE,
    BackupManifest,
    altered,
    copied,
    read_manifest,
    require_unaltered,
)
from seatrial.flows.followers import HEAD_TAG
from seatrial.flows.lock import project_lock
from seatrial.flows.restore_settings import moved, require_key, settings_for
from seatrial.flows.state_files import secret_paths
from seatrial.store.ledger import LedgerHead
from seatrial.store.portable import load_rows
from seatrial.store.store import Store
from seatrial.wiring import keeping
from seatrial.wiring.workshop import Workshop

__all__ = ["Restored", "restore"]

_MIB = 2**20
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Restored:
    """What stands in the project now.

    Attributes:
        home: the project's state.
        kept: where what was there before lies now; None where nothing was.
        production: the version in production of each model.
        findings: what `models verify` says of it.
    """

    home: Path
    kept: Path | None
    production: dict[str, int]
    findings: tuple[Finding, ...]

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dictionary."""
        return {
            "home": str(self.home),
            "kept": str(self.kept) if self.kept else None,
            "production": self.production,
            "findings": [finding.to_json() for finding in self.findings],
        }


def restore(source: Path, project_dir: Path, progress: Progress, *, force: bool = False) -> Restored:
    """Puts a backup's state into a project's directory.

    Args:
        project_dir: made if need be. Its own seatrial.toml holds where it has one, else the backup's is put there.
        force: a state that is there already is moved aside, and kept.

    Raises:
        BackupError: the backup is not whole, or not the one that was written; nothing was changed.
        UsageError: there is a state already, and `force` was not said; or the ledger's database is not empty.
        ConfigError: passwords or keys, which no backup holds, are missing.
        StorageFullError: no room; nothing was changed.
        UnreachableError: another command or a control plane works on the project.
    """
    manifest = read_manifest(source)
    settings = settings_for(source, manifest, project_dir.absolute())
    for path in () if force else _taken(settings):
        raise UsageError(f"{path} is not empty: restore --force moves what is there aside, or name another --into.")
    require_key(settings)
    project_dir.mkdir(parents=True, exist_ok=True)
    with project_lock(settings.home, wait=False):
        noted = _noted_heads(settings)
        kept = _Restoration(source, manifest, settings, progress).carry_out()
    workshop = Workshop(settings)
    try:
        with progress.step("verify"):
            findings = _verified(workshop, [manifest.head, *noted])
        return Restored(settings.home, kept, in_production(workshop), tuple(findings))
    finally:
        workshop.close()


class _Restoration:
    """One restoration: first beside its place, then in it."""

    def __init__(self, source: Path, manifest: BackupManifest, settings: Settings, progress: Progress) -> None:
        self._source = source
        self._manifest = manifest
        self._settings = settings
        self._progress = progress
        self._staging = settings.home.with_name(f"{settings.home.name}.restored")
        self._untold_bytes = 0

    def carry_out(self) -> Path | None:
        """All of it, the old state's move last.

        Returns:
            Where what was there before lies now; None where nothing was.
        """
        try:
            with self._progress.step("copy", total=self._manifest.size_bytes // _MIB + 1) as self._step:
                write_directory_atomically(self._staging, self._fill)
                self._place(moved(self._settings, self._staging), apart=True)
            self._keep_secrets()
            self._mend_index()
            self._place_settings()
            kept = _aside(self._settings.home)
            self._staging.rename(self._settings.home)
        except BaseException:  # Ctrl-C too: nothing half-made stays, and whatever it was is told by who asked
            shutil.rmtree(self._staging, ignore_errors=True)
            raise
        _log.info("state restored", extra={"home": str(self._settings.home), "kept": str(kept or "")})
        return kept

    def _fill(self, partial: Path) -> None:
        """Everything that belongs below the home."""
        for rest, name in self._manifest.below(HOME).items():
            self._copy(name, partial / rest)
        self._place(moved(self._settings, partial), apart=False)

    def _place(self, staged: Settings, *, apart: bool) -> None:
        """The store, the registry and the bundles: those below the home, or those that the settings keep apart."""
        if apart != _is_below(sqlite_path(staged.database_url), staged.home):
            self._checked(STORE)
            load_rows(staged.database_url, self._source / STORE)
        registry = sqlite_path(staged.tracking_uri)
        if registry and REGISTRY in self._manifest.files and apart != _is_below(registry, staged.home):
            kept_aside = _aside(registry) if apart else None
            self._copy(REGISTRY, registry)
            keeping.move_registry(registry, self._manifest.home_uri, self._settings.home.as_uri())
            _log.info("registry restored", extra={"database": str(registry), "kept": str(kept_aside or "")})
        if apart != _is_below(staged.bundles_dir, staged.home):
            if apart:
                _aside(staged.bundles_dir)
                write_directory_atomically(staged.bundles_dir, self._fill_bundles)
            else:
                self._fill_bundles(staged.bundles_dir)

    def _fill_bundles(self, directory: Path) -> None:
        for rest, name in self._manifest.below(BUNDLES).items():
            self._copy(name, directory / rest)

    def _keep_secrets(self) -> None:
        """Keys and tokens that lie below the home stay there: no backup holds any."""
        for path in secret_paths(self._settings):
            if _is_below(path, self._settings.home.resolve()) and path.is_file():
                target = self._staging / path.relative_to(self._settings.home.resolve())
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, target)

    def _mend_index(self) -> None:
        """Makes the bundle index say what the record says: it may have been copied a moment later."""
        workshop = Workshop(moved(self._settings, self._staging))
        try:
            recorded = audit.recorded_models(workshop)
            audit.mend_index(workshop, sorted(recorded), recorded)
        finally:
            workshop.close()

    def _place_settings(self) -> None:
        path, name = self._settings.project_dir / CONFIG_FILE, f"{PROJECT}/{CONFIG_FILE}"
        if not path.exists() and name in self._manifest.files:
            write_text_atomically(path, (self._source / name).read_text("utf-8"))

    def _copy(self, name: str, target: Path) -> None:
        """One file of the backup, checked on the way."""

        def tell(size_bytes: int) -> None:
            self._untold_bytes += size_bytes
            self._step.advance(self._untold_bytes // _MIB, name)
            self._untold_bytes %= _MIB

        if copied(self._source / name, target, tell) != self._manifest.files[name]:
            raise altered(self._source / name)

    def _checked(self, name: str) -> None:
        require_unaltered(self._source, self._manifest, name)


def _taken(settings: Settings) -> Iterator[Path]:
    """Places of the state that hold more than keys, but for a ledger's: that one looks for itself."""
    registry, secrets = sqlite_path(settings.tracking_uri), secret_paths(settings)
    for place in (settings.home, settings.bundles_dir):
        if place.is_dir() and any(path.name != ".lock" and path.resolve() not in secrets for path in place.iterdir()):
            yield place
    if registry and registry.exists():
        yield registry


def _is_below(path: Path | None, directory: Path) -> bool:
    return path is not None and path.is_relative_to(directory)


def _aside(path: Path) -> Path | None:
    """Moves what is at a place to a name beside it; None where there was nothing worth keeping."""
    if path.is_dir() and not any(one.name != ".lock" for one in path.iterdir()):
        shutil.rmtree(path)
    if not path.exists():
        return None
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    names = (f"{path.name}.before-{moment}{more}" for more in ("", *(f"-{number}" for number in range(2, 100))))
    kept = next(place for name in names if not (place := path.with_name(name)).exists())
    path.rename(kept)
    return kept


def _noted_heads(settings: Settings) -> list[str]:
    """Heads of the ledger that is about to be replaced, as far as it and its registry can still be read.

    Raises:
        UnreachableError: a control plane is at work on it.
    """
    heads: list[str] = []
    registry, ledger = sqlite_path(settings.tracking_uri), sqlite_path(settings.database_url)
    if registry and registry.is_file():
        heads += keeping.noted_tags(registry, HEAD_TAG)
    if ledger and ledger.is_file():
        try:
            with Store.open(settings.database_url) as store:
                at_work = store.releases.held_lease(time.time(), settings.control.lease_s)
                heads.append(store.head().to_text())
        except SeatrialError as error:
            at_work = None
            _log.warning("the old ledger cannot be read", extra={"reason": str(error)})
        if at_work:
            raise UnreachableError(
                f"A control plane works on {settings.home} ({at_work.holder}): stop seatrial up first; if it was "
                f"killed, try again in {settings.control.lease_s:.0f} s."
            )
    return [head for head in heads if _is_head(head)]


def _is_head(text: str) -> bool:
    try:
        return LedgerHead.from_text(text).seq > 0
    except UsageError:
        return False


def _verified(workshop: Workshop, heads: Sequence[str]) -> list[Finding]:
    """What `models verify` says; where the registry cannot be asked, what the store alone says."""
    try:
        return audit.verify(workshop, (), heads)
    except DependencyError as error:
        reason = f"The registry could not be asked, so nothing was compared with it: {error}"
        unasked = Finding("registry.roles", workshop.settings.model.name, Verdict.ERROR, reason)
        return [*workshop.store.verify([LedgerHead.from_text(head) for head in heads]), unasked]
