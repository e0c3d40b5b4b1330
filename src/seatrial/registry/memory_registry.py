"""A registry whose state lives in this process: for tests, and the plainest statement of the contract."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from seatrial.bundle import MANIFEST_FILE, Bundle, write_directory_atomically
from seatrial.domain.errors import UnknownArtifactError, UnknownModelError, UnknownVersionError
from seatrial.domain.model import Alias, Lineage, ModelVersion, Signature, Stage
from seatrial.registry.admission import check_destination, check_key, open_artifact, open_source
from seatrial.registry.stages import stage_moves

__all__ = ["MemoryRegistry"]


@dataclass(slots=True)
class _Model:
    """Everything about one model; versions are numbered from 1, so that version n is at index n - 1."""

    versions: list[ModelVersion] = field(default_factory=list)
    keys: dict[str, int] = field(default_factory=dict)
    aliases: dict[Alias, int] = field(default_factory=dict)
    stages: dict[int, Stage] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)


class MemoryRegistry:
    """Implements `ModelRegistry` with bundles in a directory and everything else in memory; safe to share by threads.

    Args:
        directory: where the bundles go: ``<name>/<version>/<artifact>/``.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._models: dict[str, _Model] = {}
        self._lock = threading.RLock()

    def create_version(self, name: str, signature: Signature, lineage: Lineage, source: Path) -> ModelVersion:
        """Stores a new version with its source bundle; the same lineage key gives the same version.

        Raises:
            BundleError: the source is not whole.
            UsageError: the key or name is impossible, or the source does not fit them.
            StorageFullError: no room; there is no new version.
        """
        key, bundle = check_key(lineage), open_source(name, signature, source)
        with self._lock:
            model = self._models.get(name, _Model())
            if key in model.keys:
                return model.versions[model.keys[key] - 1]
            version = ModelVersion(name, len(model.versions) + 1, signature)
            self._store(version, bundle)
            model.versions.append(version)
            model.keys[key] = version.version
            model.stages[version.version] = Stage.NONE
            self._models[name] = model
            return version

    def add_bundle(self, version: ModelVersion, directory: Path) -> str:
        """Stores one more bundle of a version, in place of one of that name; returns its URI.

        Raises:
            BundleError: the bundle is not whole.
            UsageError: it is of another model, version or signature.
            StorageFullError: no room; the bundle that was there stays.
        """
        bundle = open_artifact(version, directory)
        with self._lock:
            self.get_version(version.name, version.version)
            return self._store(version, bundle).as_uri()

    def fetch_bundle(self, version: ModelVersion, artifact: str, destination: Path) -> Path:
        """Copies a stored bundle to `destination`, which then is the bundle, and returns it.

        Raises:
            UnknownArtifactError: the version has no such bundle.
            UsageError: `destination` holds something else than a bundle.
            BundleError: what is stored is not whole.
            StorageFullError: no room; nothing is left behind.
        """
        with self._lock:
            self.get_version(version.name, version.version)
            names = sorted(path.name for path in self._place(version, "").iterdir() if path.is_dir())
            if artifact not in names:
                raise UnknownArtifactError(
                    f"{version.ref} has no bundle {artifact!r} (it has {', '.join(names)}): "
                    f"make it with seatrial convert {version.ref} --to {artifact}."
                )
            _copy(Bundle.open(self._place(version, artifact)), check_destination(destination))
        return destination

    def get_version(self, name: str, version: int) -> ModelVersion:
        """Raises UnknownModelError or UnknownVersionError when there is none."""
        model = self._model(name)
        if not 1 <= version <= len(model.versions):
            raise UnknownVersionError(f"{name} has no version {version}: seatrial models list shows which it has.")
        return model.versions[version - 1]

    def list_models(self) -> Sequence[str]:
        """Names of all models, sorted."""
        return sorted(self._models)

    def list_versions(self, name: str) -> Sequence[ModelVersion]:
        """All versions, oldest first. Raises UnknownModelError."""
        return tuple(self._model(name).versions)

    def source_uri(self, version: ModelVersion) -> str:
        """Where the version's bundles are. Raises UnknownModelError or UnknownVersionError."""
        self.get_version(version.name, version.version)
        return self._place(version, "").as_uri()

    def set_alias(self, name: str, alias: Alias, version: int) -> None:
        """Points the alias at the version and moves the stages along.

        Raises:
            UnknownModelError, UnknownVersionError: there is no such version.
        """
        with self._lock:
            self.get_version(name, version)
            model = self._model(name)
            model.stages |= stage_moves(alias, version, model.aliases, model.stages)
            model.aliases[alias] = version

    def delete_alias(self, name: str, alias: Alias) -> None:
        """Removes the alias and moves the stages along; no error when it is not set. Raises UnknownModelError."""
        with self._lock:
            model = self._model(name)
            model.stages |= stage_moves(alias, None, model.aliases, model.stages)
            model.aliases.pop(alias, None)

    def aliases(self, name: str) -> Mapping[Alias, int]:
        """The aliases as they are now. Raises UnknownModelError."""
        return dict(self._model(name).aliases)

    def stages(self, name: str) -> Mapping[int, Stage]:
        """The stage of every version as it is now. Raises UnknownModelError."""
        return dict(self._model(name).stages)

    def set_tag(self, name: str, key: str, value: str) -> None:
        """Sets a tag on the model. Raises UnknownModelError."""
        self._model(name).tags[key] = value

    def tags(self, name: str) -> Mapping[str, str]:
        """All tags of the model. Raises UnknownModelError."""
        return dict(self._model(name).tags)

    def _model(self, name: str) -> _Model:
        if name not in self._models:
            raise UnknownModelError(f"There is no model {name!r}: register it with seatrial train or register.")
        return self._models[name]

    def _place(self, version: ModelVersion, artifact: str) -> Path:
        return self.directory.absolute() / version.name / str(version.version) / artifact

    def _store(self, version: ModelVersion, bundle: Bundle) -> Path:
        place = self._place(version, bundle.manifest.artifact.name)
        _copy(bundle, place)
        return place


def _copy(bundle: Bundle, destination: Path) -> None:
    def fill(partial: Path) -> None:
        for name in (*bundle.manifest.files, MANIFEST_FILE):
            (partial / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(bundle.directory / name, partial / name)

    write_directory_atomically(destination, fill)
