"""A copy of a project's state, consistent while everything runs.

The order makes it so. The store comes first, as one moment, with the registry's database right after it: both again
where the record grew in between. Then comes everything the two cite, which was written before they cited it.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from seatrial import __version__
from seatrial.bundle import MANIFEST_FILE, Bundle, FileEntry, file_sha256, write_directory_atomically
from seatrial.config import CONFIG_FILE, Settings, mask, sqlite_path
from seatrial.domain.errors import BackupError, BundleError, LedgerConflictError, StorageFullError, UsageError
from seatrial.domain.model import Alias
from seatrial.domain.progress import Progress, Step
from seatrial.flows import audit, record
from seatrial.flows.backup_manifest import BUNDLES, HOME, MANIFEST, PROJECT, REGISTRY, STORE, BackupManifest, copied
from seatrial.flows.retention import is_half_written
from seatrial.flows.state_files import home_files, secret_paths, state_bytes
from seatrial.store.ledger import EntryKind, LedgerHead
from seatrial.wiring import keeping
from seatrial.wiring.workshop import Workshop

__all__ = ["BackedUp", "back_up", "in_production"]

_TRIES = 5
_PAUSE_S = 0.5
_MIB = 2**20


@dataclass(frozen=True, slots=True)
class BackedUp:
    """A backup that was made and read back."""

    directory: Path
    manifest: BackupManifest

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dictionary."""
        said = self.manifest
        return {
            "directory": str(self.directory),
            "at": said.at,
            "head": said.head,
            "production": said.production,
            "files": len(said.files),
            "bytes": said.size_bytes,
            "left_out": list(said.left_out),
            "damaged": list(said.damaged),
        }


def back_up(workshop: Workshop, destination: Path, progress: Progress) -> BackedUp:
    """Copies the project's state into a directory that is whole or absent, and reads it back.

    Raises:
        UsageError: there is no state, or the destination is taken or lies within it.
        StorageFullError: no room; nothing is left behind.
        LedgerConflictError: the record changed faster than it could be copied.
        BackupError: what was read back is not what was written.
    """
    settings, destination = workshop.settings, destination.absolute()
    if not settings.home.is_dir():
        raise UsageError(f"There is nothing to back up in {settings.home}: name the project with -C.")
    if any(destination.is_relative_to(root) for root in (settings.home, settings.bundles_dir)):
        raise UsageError(f"{destination} lies within what is to be backed up: choose another place.")
    if destination.is_file() or (destination.is_dir() and any(destination.iterdir())):
        raise UsageError(f"{destination} is there already: choose another name for the backup.")
    _require_room(settings, destination)
    made: list[BackupManifest] = []

    def fill(partial: Path) -> None:
        made.append(_Backup(workshop, partial, progress).make())

    write_directory_atomically(destination, fill)
    return BackedUp(destination, made[0])


class _Backup:
    """One backup on its way into a directory that nobody else sees yet."""

    def __init__(self, workshop: Workshop, partial: Path, progress: Progress) -> None:
        self._workshop = workshop
        self._settings = workshop.settings
        self._partial = partial
        self._progress = progress
        self._files: dict[str, FileEntry] = {}
        self._left_out: list[str] = []
        self._damaged: list[str] = []
        self._whole: dict[str, str] = {}  # digest of the manifest of each bundle that is copied, by name
        self._production: dict[str, int] = {}
        self._untold_bytes = 0

    def make(self) -> BackupManifest:
        """All of it; what was written is read back."""
        at = datetime.now(UTC)
        with self._progress.step("copy", total=state_bytes(self._settings) // _MIB + 1) as step:
            head = self._record_and_bundles(step)
            self._copy_home(step)
        self._copy_settings()
        manifest = self._manifest(at, head)
        (self._partial / MANIFEST).write_text(manifest.to_text(), "utf-8")
        self._read_back()
        return manifest

    def _record_and_bundles(self, step: Step) -> LedgerHead:
        """The record, and every artifact it cites as it cites it: again where artifacts changed meanwhile."""
        for attempt in range(_TRIES):
            head = self._copy_record()
            self._damaged = []
            self._copy_bundles(step)
            if any(self._workshop.store.entries(after=head.seq, kind=EntryKind.ARTIFACT)):
                continue
            self._damaged += self._not_as_recorded()
            if not self._damaged or attempt == _TRIES - 1:
                return head
            time.sleep(_PAUSE_S)  # a conversion may be about to put on record what it has just written
        raise LedgerConflictError("The project's artifacts kept changing: repeat the backup when the conversion ends.")

    def _copy_record(self) -> LedgerHead:
        """The store, and the registry's database as it was with it."""
        store, database = self._workshop.store, sqlite_path(self._settings.tracking_uri)
        for _ in range(_TRIES * _TRIES):
            with (self._partial / STORE).open("wb") as file:
                head = store.portable.write(file.write)
            (self._partial / REGISTRY).unlink(missing_ok=True)
            if database is not None and database.is_file():
                keeping.copy_registry(database, self._partial / REGISTRY)
            self._production = in_production(self._workshop)
            if store.head().seq == head.seq:
                for name in (STORE, REGISTRY) if (self._partial / REGISTRY).is_file() else (STORE,):
                    path = self._partial / name
                    self._files[name] = FileEntry(file_sha256(path), path.stat().st_size)
                return head
        raise LedgerConflictError("The ledger grew faster than it could be copied: repeat the backup in a calmer hour.")

    def _copy_bundles(self, step: Step) -> None:
        """Every bundle that is not copied yet as it is now, and the index."""
        root = self._settings.bundles_dir
        for directory in sorted(root.glob("*/*/*")):  # model, version, artifact
            if (directory / MANIFEST_FILE).exists() and not is_half_written(directory.name):
                self._copy_bundle(directory, f"{BUNDLES}/{directory.relative_to(root).as_posix()}", step)
        self._copy(root / "index.json", f"{BUNDLES}/index.json", step)

    def _copy_bundle(self, directory: Path, name: str, step: Step) -> None:
        """A bundle as a whole; it may be replaced or deleted while it is read."""
        for _ in range(_TRIES):
            if self._whole.get(name) == _digest(directory / MANIFEST_FILE):
                return
            self._discard(name)
            for path in sorted(directory.rglob("*")):
                if path.is_file() and not path.is_symlink():
                    self._copy(path, f"{name}/{path.relative_to(directory).as_posix()}", step)
            if not directory.is_dir():
                self._discard(name)
                return
            try:
                Bundle.open(self._partial / name)
            except BundleError as error:
                reason = str(error).replace(f"{self._partial}/", "")
            else:
                self._whole[name] = self._files[f"{name}/{MANIFEST_FILE}"].sha256
                return
        self._damaged.append(f"{name}: {reason}")

    def _discard(self, name: str) -> None:
        """Takes a bundle out again."""
        for known in [one for one in self._files if one.startswith(f"{name}/")]:
            del self._files[known]
        shutil.rmtree(self._partial / name, ignore_errors=True)

    def _not_as_recorded(self) -> Iterator[str]:
        """Artifacts on record whose copied bundle is missing or another one."""
        for model in audit.recorded_models(self._workshop):
            for (version, name), payload in record.artifacts(self._workshop, model).items():
                place = f"{BUNDLES}/{model}/{version}/{name}"
                try:
                    bundle = Bundle.open(self._partial / place, verify=False)
                except BundleError:
                    yield f"{place}: on record, but not there."
                    continue
                if bundle.manifest.sha256 != payload["manifest_sha256"]:
                    yield f"{place}: another bundle than the one on record."

    def _copy_home(self, step: Step) -> None:
        """Whatever else stands in the project's home."""
        secrets = secret_paths(self._settings)
        for path in home_files(self._settings):
            name = path.relative_to(self._settings.home).as_posix()
            if path.resolve() in secrets:
                self._left_out.append(f"{name}: a secret")
            elif path.is_symlink() or not path.is_file():
                self._left_out.append(f"{name}: no plain file")
            else:
                self._copy(path, f"{HOME}/{name}", step)

    def _copy(self, source: Path, name: str, step: Step) -> None:
        """One file; none where its owner has deleted it meanwhile."""

        def tell(size_bytes: int) -> None:
            self._untold_bytes += size_bytes
            step.advance(self._untold_bytes // _MIB, name)
            self._untold_bytes %= _MIB

        try:
            self._files[name] = copied(source, self._partial / name, tell, whole_lines=source.suffix == ".journal")
        except FileNotFoundError:
            self._files.pop(name, None)
            (self._partial / name).unlink(missing_ok=True)

    def _copy_settings(self) -> None:
        path, name = self._settings.project_dir / CONFIG_FILE, f"{PROJECT}/{CONFIG_FILE}"
        if not path.is_file():
            return
        text = path.read_text("utf-8-sig")
        if mask(text) != text:
            self._left_out.append(f"{CONFIG_FILE}: its passwords, written as ***")
        target = self._partial / name
        target.parent.mkdir()
        target.write_text(mask(text), "utf-8")
        self._files[name] = FileEntry(file_sha256(target), target.stat().st_size)

    def _manifest(self, at: datetime, head: LedgerHead) -> BackupManifest:
        registry = self._settings.registry
        if REGISTRY not in self._files:
            self._left_out.append(f"the registry: it is kept in {mask(self._settings.tracking_uri)}")
        elif registry.artifact_uri:
            self._left_out.append(f"the registry's files: they are kept in {mask(registry.artifact_uri)}")
        return BackupManifest(
            seatrial=__version__,
            at=at.isoformat(timespec="seconds"),
            model=self._settings.model.name,
            head=head.to_text(),
            production=self._production,
            home_uri=self._settings.home.as_uri(),
            left_out=tuple(self._left_out),
            damaged=tuple(self._damaged),
            files=dict(sorted(self._files.items())),
        )

    def _read_back(self) -> None:
        """Reads everything again, from the disk as far as the system lets us."""
        with self._progress.step("read back", total=len(self._files)) as step:
            for name, entry in self._files.items():
                path = self._partial / name
                _forget_cached(path)
                if (file_sha256(path), path.stat().st_size) != (entry.sha256, entry.size_bytes):
                    raise BackupError(f"{path} is not what was written to it: see to the disk, and repeat the backup.")
                step.advance(1, name)


def in_production(workshop: Workshop) -> dict[str, int]:
    """The version in production of each model on record."""
    aliases = {model: workshop.store.aliases(model) for model in sorted(audit.recorded_models(workshop))}
    return {model: held[Alias.PRODUCTION] for model, held in aliases.items() if Alias.PRODUCTION in held}


def _require_room(settings: Settings, destination: Path) -> None:
    standing = next(parent for parent in destination.parents if parent.is_dir())
    needed, free = state_bytes(settings), shutil.disk_usage(standing).free
    if needed > free:
        raise StorageFullError(
            f"No room for the backup in {standing}: it needs {needed / _MIB:.0f} MiB, {free / _MIB:.0f} MiB are free."
        )


def _digest(path: Path) -> str | None:
    """Hex sha256 of a file, None where it is gone."""
    try:
        return file_sha256(path)
    except FileNotFoundError:
        return None


def _forget_cached(path: Path) -> None:
    """Waits for the disk and drops the file from the page cache, so that the next read is one of the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)
