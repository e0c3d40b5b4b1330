"""``bundles/index.json``: which bundle is which version's, so that serving needs no registry."""

from __future__ import annotations

import contextlib
import fcntl
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, TypedDict

import msgspec

from seatrial.bundle.atomic import storage_errors, write_text_atomically
from seatrial.bundle.reading import Bundle
from seatrial.domain.errors import (
    BundleAlteredError,
    BundleManifestError,
    UnknownArtifactError,
    UnknownModelError,
    UnknownVersionError,
    UsageError,
)
from seatrial.domain.model import VersionRef

__all__ = ["BundleIndex"]


class _Artifact(TypedDict):
    """Where the bundle of an artifact lies, under the bundles directory, and what it must be."""

    path: str
    manifest_sha256: str
    artifact_sha256: str
    servable: bool


class _Version(TypedDict):
    """The artifacts of a version, by name."""

    artifacts: dict[str, _Artifact]


class _Model(TypedDict):
    """The versions of a model, by number written as text, and its aliases."""

    versions: dict[str, _Version]
    aliases: dict[str, int]


class _Document(TypedDict):
    """The document of index.json."""

    format_version: Literal[1]
    models: dict[str, _Model]


class BundleIndex:
    """``bundles/index.json``: versions and aliases of each model, and the bundle of each artifact.

    Written atomically under a file lock, so that readers see one whole state and writers do not lose each other's.
    """

    def __init__(self, bundles_dir: Path) -> None:
        self.bundles_dir = bundles_dir
        self.path = bundles_dir / "index.json"

    def read(self) -> dict[str, Any]:
        """The document, ``{"format_version": 1, "models": {}}`` where there is none yet.

        Raises:
            BundleManifestError: the file cannot be read as an index.
        """
        return {**self._read()}

    def add(self, bundle: Bundle) -> None:
        """Enters a bundle that lies under the bundles directory; entering it again is a no-op.

        Raises:
            UsageError: the bundle has no version yet, or lies elsewhere.
        """
        manifest = bundle.manifest
        if manifest.version is None:
            raise UsageError(f"{bundle.directory} has no version yet: register it first.")
        try:
            path = bundle.directory.resolve().relative_to(self.bundles_dir.resolve())
        except ValueError:
            raise UsageError(f"{bundle.directory} does not lie under {self.bundles_dir}: write it there.") from None
        with self._edit() as document:
            versions = _model(document, manifest.model)["versions"]
            versions.setdefault(str(manifest.version), {"artifacts": {}})["artifacts"][manifest.artifact.name] = {
                "path": path.as_posix(),
                "manifest_sha256": manifest.sha256,
                "artifact_sha256": manifest.artifact.sha256,
                "servable": manifest.servable,
            }

    def set_aliases(self, name: str, aliases: Mapping[str, int]) -> None:
        """Makes these the aliases of the model, and no others."""
        with self._edit() as document:
            _model(document, name)["aliases"] = dict(sorted(aliases.items()))

    def retire(self, name: str, version: int, artifact: str) -> None:
        """Takes an artifact out, and its version with the last one; no error where it is not in."""
        with self._edit() as document:
            versions = _model(document, name)["versions"]
            artifacts = versions.get(str(version), {"artifacts": {}})["artifacts"]
            artifacts.pop(artifact, None)
            if not artifacts:
                versions.pop(str(version), None)

    def remove(self, name: str) -> None:
        """Takes a model out, with all its versions and aliases; no error where it is not in."""
        with self._edit() as document:
            document["models"].pop(name, None)

    def aliases(self, name: str) -> dict[str, int]:
        """The aliases of the model; empty where there is none."""
        models = self._read()["models"]
        return models[name]["aliases"] if name in models else {}

    def resolve(self, ref: VersionRef, artifact: str, *, verify: bool = True) -> Bundle:
        """Opens the bundle of a version's artifact; needs no registry.

        Raises:
            UnknownModelError, UnknownVersionError, UnknownArtifactError: it is not in the index.
            BundleError: it is there but not whole, or not the one that was entered.
        """
        entry = self._find(ref, artifact)
        bundle = Bundle.open(self.bundles_dir / entry["path"], verify=verify)
        if bundle.manifest.sha256 != entry["manifest_sha256"]:
            raise BundleAlteredError(
                f"{bundle.directory} is not the bundle the index names: convert the version again."
            )
        return bundle

    def _read(self) -> _Document:
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=_Document)
        except FileNotFoundError:
            return {"format_version": 1, "models": {}}
        except (msgspec.MsgspecError, ValueError, RecursionError, OSError) as error:
            raise BundleManifestError(
                f"{self.path} cannot be read as a bundle index: {error}. "
                "seatrial models verify --repair writes it anew."
            ) from error

    def _find(self, ref: VersionRef, artifact: str) -> _Artifact:
        models = self._read()["models"]
        if ref.name not in models:
            known = ", ".join(sorted(models)) or "none"
            raise UnknownModelError(
                f"There is no bundle of a model {ref.name!r} in {self.bundles_dir} (known: {known}): "
                f"make one with seatrial convert {ref}."
            )
        model = models[ref.name]
        version = model["aliases"].get(ref.selector) if isinstance(ref.selector, str) else ref.selector
        if str(version) not in model["versions"]:
            raise UnknownVersionError(
                f"{ref} has no bundle (known: {_known(model)}): make one with seatrial convert {ref}."
            )
        artifacts = model["versions"][str(version)]["artifacts"]
        if artifact not in artifacts:
            raise UnknownArtifactError(
                f"{ref.name}@{version} has no artifact {artifact!r} (it has {', '.join(artifacts) or 'none'}): "
                f"make it with seatrial convert {ref.name}@{version} --to {artifact}."
            )
        return artifacts[artifact]

    @contextlib.contextmanager
    def _edit(self) -> Iterator[_Document]:
        with storage_errors(f"write {self.path}"):
            self.bundles_dir.mkdir(parents=True, exist_ok=True)
            with (self.bundles_dir / ".index.lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                document = self._read()
                yield document
                write_text_atomically(self.path, json.dumps(document, indent=1, ensure_ascii=False))


def _model(document: _Document, name: str) -> _Model:
    return document["models"].setdefault(name, {"versions": {}, "aliases": {}})


def _known(model: _Model) -> str:
    """The versions that have a bundle, and what the aliases point at."""
    aliases = [f"{alias} is {version}" for alias, version in model["aliases"].items()]
    return ", ".join([*model["versions"], *aliases]) or "none"
