"""The bundle: the one directory form in which a model is stored, shipped and served.

``manifest.json`` names every other file with its size and sha256, the signature, the artifact, its lineage and the
findings that allow or forbid serving it. ``bundles/index.json`` maps versions and aliases to bundles, so that the
data plane needs no registry.

Belongs here: writing a bundle so that it is whole or absent, opening it so that nothing altered is served, the index.
Does not belong: making the files (conversion, training), running them (engines), deciding aliases (store).
Called by: training, registry, conversion, engines, serving, flows.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from seatrial.domain.errors import (
    BundleAlteredError,
    BundleManifestError,
    BundleMissingFileError,
    RefusedArtifactError,
    StorageFullError,
    UnknownArtifactError,
    UnknownModelError,
    UnknownVersionError,
    UsageError,
)
from seatrial.domain.evidence import Finding, Verdict, worst
from seatrial.domain.model import (
    Artifact,
    ArtifactFormat,
    Layout,
    Precision,
    Signature,
    TensorSpec,
    VersionRef,
    check_model_name,
)

__all__ = [
    "MANIFEST_FILE",
    "TOKENIZER_FILE",
    "Bundle",
    "BundleIndex",
    "Manifest",
    "file_sha256",
    "files_sha256",
    "storage_errors",
    "write_bundle",
    "write_text_atomically",
]

MANIFEST_FILE = "manifest.json"
TOKENIZER_FILE = "tokenizer.json"
_FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True)
class FileEntry:
    """Size and digest of one file of a bundle."""

    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a bundle says of itself.

    Attributes:
        model: name of the model.
        version: version number; None for a source bundle made before its registration.
        artifact: what the files are; ``artifact.sha256`` is the digest over `files`.
        pad_token_id: the id that fills padded cells.
        files: every file but the manifest, by relative POSIX path.
        findings: what was found about this artifact; it may be served only if the worst is PASS.
        lineage: free JSON: how the files were made (exporter, options, tool versions, origin).
    """

    model: str
    version: int | None
    artifact: Artifact
    signature: Signature
    files: Mapping[str, FileEntry]
    pad_token_id: int = 0
    findings: tuple[Finding, ...] = ()
    lineage: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ref(self) -> str:
        """``name@version/artifact``, the subject of findings about this artifact."""
        return f"{self.model}@{'?' if self.version is None else self.version}/{self.artifact.name}"

    @property
    def servable(self) -> bool:
        """Whether the findings allow serving: all PASS, and at least one."""
        return worst(self.findings) is Verdict.PASS

    @property
    def size_bytes(self) -> int:
        """All files together."""
        return sum(entry.size_bytes for entry in self.files.values())

    def to_json(self) -> dict[str, Any]:
        """The document of manifest.json, with a digest over the rest of it."""
        document: dict[str, Any] = {
            "format_version": _FORMAT_VERSION,
            "model": self.model,
            "version": self.version,
            "artifact": asdict(self.artifact),
            "signature": asdict(self.signature),
            "pad_token_id": self.pad_token_id,
            "files": {name: asdict(entry) for name, entry in sorted(self.files.items())},
            "findings": [finding.to_json() for finding in self.findings],
            "lineage": dict(self.lineage),
        }
        return {**document, "manifest_sha256": _document_sha256(document)}

    @classmethod
    def from_json(cls, document: Any, where: str) -> Manifest:
        """Reads the document of a manifest.json; `where` is named in errors.

        Raises:
            BundleManifestError: it is no manifest, or not the one that was written.
        """
        if not isinstance(document, dict):
            raise BundleManifestError(f"{where} is no manifest: make the bundle again with seatrial convert.")
        body = {key: value for key, value in document.items() if key != "manifest_sha256"}
        if document.get("format_version") != _FORMAT_VERSION:
            raise BundleManifestError(
                f"{where} has format {document.get('format_version')!r}, this release reads {_FORMAT_VERSION}: "
                "convert the version again."
            )
        if document.get("manifest_sha256") != _document_sha256(body):
            raise BundleManifestError(f"{where} was altered after it was written: convert the version again.")
        try:
            return cls(
                model=check_model_name(body["model"]),
                version=body["version"],
                artifact=_artifact_from_json(body["artifact"]),
                signature=_signature_from_json(body["signature"]),
                files={name: FileEntry(**entry) for name, entry in body["files"].items()},
                pad_token_id=int(body["pad_token_id"]),
                findings=tuple(map(Finding.from_json, body["findings"])),
                lineage=body["lineage"],
            )
        except (KeyError, TypeError, ValueError, UsageError) as error:
            raise BundleManifestError(f"{where} is malformed ({error!r}): convert the version again.") from error


@dataclass(frozen=True, slots=True)
class Bundle:
    """An opened bundle: its directory and its manifest, checked."""

    directory: Path
    manifest: Manifest

    @classmethod
    def open(cls, directory: Path, *, verify: bool = True) -> Bundle:
        """Opens a bundle and, unless told not to, checks every file against its digest.

        Raises:
            BundleManifestError: no manifest, a malformed one, or one that was altered.
            BundleMissingFileError: a file the manifest names is absent.
            BundleAlteredError: a file has another size or digest.
        """
        path = directory / MANIFEST_FILE
        try:
            document = json.loads(path.read_bytes())
        except FileNotFoundError:
            raise BundleManifestError(f"{directory} is no bundle: it has no {MANIFEST_FILE}.") from None
        except (ValueError, OSError) as error:
            raise BundleManifestError(f"{path} cannot be read: {error}. Convert the version again.") from error
        bundle = cls(directory, Manifest.from_json(document, str(path)))
        if verify:
            bundle.verify()
        return bundle

    def verify(self) -> None:
        """Checks every file against the manifest; see `open` for what it raises."""
        for name, entry in self.manifest.files.items():
            path = self._inside(name)
            try:
                size_bytes = path.stat().st_size
            except FileNotFoundError:
                raise BundleMissingFileError(f"{path} is missing: convert or fetch the version again.") from None
            if size_bytes != entry.size_bytes:
                raise BundleAlteredError(
                    f"{path} has {size_bytes} bytes, its manifest says {entry.size_bytes}: fetch the bundle again."
                )
            if file_sha256(path) != entry.sha256:
                raise BundleAlteredError(f"{path} is not the file its manifest names (sha256): fetch the bundle again.")
        if files_sha256(self.manifest.files) != self.manifest.artifact.sha256:
            raise BundleAlteredError(f"{self.directory}: the artifact's digest is not that of its files.")

    def require_servable(self) -> None:
        """Raises RefusedArtifactError, with the reasons, unless every finding is PASS."""
        if not self.manifest.servable:
            reasons = [f.reason for f in self.manifest.findings if f.verdict is not Verdict.PASS]
            raise RefusedArtifactError(
                f"{self.manifest.ref} may not be served: {' '.join(reasons) or 'it has no findings'} "
                f"It is kept for inspection in {self.directory}."
            )

    @property
    def tokenizer_path(self) -> Path:
        """The tokenizer's file.

        Raises:
            BundleMissingFileError: the bundle has none.
        """
        if TOKENIZER_FILE not in self.manifest.files:
            raise BundleMissingFileError(f"{self.directory} has no {TOKENIZER_FILE}: it cannot read texts.")
        return self.directory / TOKENIZER_FILE

    @property
    def onnx_path(self) -> Path:
        """The graph of an ONNX artifact.

        Raises:
            BundleMissingFileError: the bundle has none.
        """
        if "model.onnx" not in self.manifest.files:
            raise BundleMissingFileError(f"{self.directory} has no model.onnx: it is no ONNX artifact.")
        return self.directory / "model.onnx"

    def _inside(self, name: str) -> Path:
        path = self.directory / name
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise BundleManifestError(f"{self.directory}: the manifest names a file outside the bundle: {name!r}.")
        return path


def write_bundle(directory: Path, manifest: Manifest, fill: Callable[[Path], None]) -> Bundle:
    """Writes a bundle so that `directory` is whole or as it was: `fill` puts the files into an empty directory.

    Args:
        directory: where the bundle shall lie; a bundle already there is replaced.
        manifest: everything but `files` and `artifact.sha256`, which are computed from what `fill` wrote.
        fill: writes the files; called once with a temporary directory beside `directory`.

    Raises:
        StorageFullError: no room; nothing is left behind.
    """
    directory.parent.mkdir(parents=True, exist_ok=True)
    with storage_errors(f"write {directory}"):
        partial = Path(tempfile.mkdtemp(prefix=f".{directory.name}.partial-", dir=directory.parent))
        try:
            fill(partial)
            files = {
                path.relative_to(partial).as_posix(): FileEntry(file_sha256(path), path.stat().st_size)
                for path in sorted(partial.rglob("*"))
                if path.is_file()
            }
            complete = replace(manifest, files=files, artifact=replace(manifest.artifact, sha256=files_sha256(files)))
            (partial / MANIFEST_FILE).write_text(json.dumps(complete.to_json(), indent=1, ensure_ascii=False), "utf-8")
            for path in partial.rglob("*"):
                path.chmod(0o755 if path.is_dir() else 0o644)
                if path.is_file():
                    _fsync(path)
            partial.chmod(0o755)
            _swap(partial, directory)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
    return Bundle(directory, complete)


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
        try:
            document = json.loads(self.path.read_bytes())
        except FileNotFoundError:
            return {"format_version": _FORMAT_VERSION, "models": {}}
        except (ValueError, OSError) as error:
            raise BundleManifestError(
                f"{self.path} cannot be read: {error}. seatrial models verify --repair writes it anew."
            ) from error
        if not isinstance(document, dict) or document.get("format_version") != _FORMAT_VERSION:
            raise BundleManifestError(f"{self.path} is no bundle index of format {_FORMAT_VERSION}.")
        return document

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
            raise UsageError(f"{bundle.directory} does not lie under {self.bundles_dir}.") from None
        entry = {
            "path": path.as_posix(),
            "manifest_sha256": manifest.to_json()["manifest_sha256"],
            "artifact_sha256": manifest.artifact.sha256,
            "servable": manifest.servable,
        }
        with self._edit() as document:
            model = document["models"].setdefault(manifest.model, {"versions": {}, "aliases": {}})
            version = model["versions"].setdefault(str(manifest.version), {"artifacts": {}})
            version["artifacts"][manifest.artifact.name] = entry

    def set_aliases(self, name: str, aliases: Mapping[str, int]) -> None:
        """Makes these the aliases of the model, and no others."""
        with self._edit() as document:
            model = document["models"].setdefault(name, {"versions": {}, "aliases": {}})
            model["aliases"] = dict(sorted(aliases.items()))

    def aliases(self, name: str) -> dict[str, int]:
        """The aliases of the model; empty where there is none."""
        return dict(self.read()["models"].get(name, {}).get("aliases", {}))

    def resolve(self, ref: VersionRef, artifact: str, *, verify: bool = True) -> Bundle:
        """Opens the bundle of a version's artifact; needs no registry.

        Raises:
            UnknownModelError, UnknownVersionError, UnknownArtifactError: it is not in the index.
            BundleError: it is there but not whole, or not the one that was entered.
        """
        models = self.read()["models"]
        if ref.name not in models:
            known = ", ".join(sorted(models)) or "none"
            raise UnknownModelError(
                f"There is no bundle of a model {ref.name!r} in {self.bundles_dir} (known: {known})."
            )
        model = models[ref.name]
        version = model["aliases"].get(ref.selector) if isinstance(ref.selector, str) else ref.selector
        if version is None or str(version) not in model["versions"]:
            known = ", ".join([*model["versions"], *model["aliases"]]) or "none"
            raise UnknownVersionError(f"{ref} has no bundle (known: {known}): convert it with seatrial convert {ref}.")
        artifacts = model["versions"][str(version)]["artifacts"]
        if artifact not in artifacts:
            raise UnknownArtifactError(
                f"{ref.name}@{version} has no artifact {artifact!r} (it has {', '.join(artifacts) or 'none'}): "
                f"make it with seatrial convert {ref.name}@{version} --to {artifact}."
            )
        entry = artifacts[artifact]
        bundle = Bundle.open(self.bundles_dir / entry["path"], verify=verify)
        if bundle.manifest.to_json()["manifest_sha256"] != entry["manifest_sha256"]:
            raise BundleAlteredError(
                f"{bundle.directory} is not the bundle the index names: convert the version again."
            )
        return bundle

    @contextlib.contextmanager
    def _edit(self) -> Iterator[dict[str, Any]]:
        self.bundles_dir.mkdir(parents=True, exist_ok=True)
        with (self.bundles_dir / ".index.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            document = self.read()
            yield document
            write_text_atomically(self.path, json.dumps(document, indent=1, ensure_ascii=False))


def file_sha256(path: Path) -> str:
    """Hex sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def files_sha256(files: Mapping[str, FileEntry]) -> str:
    """Hex sha256 over names and digests of all files, sorted by name: the identity of an artifact."""
    digest = hashlib.sha256()
    for name, entry in sorted(files.items()):
        digest.update(f"{name}\0{entry.sha256}\n".encode())
    return digest.hexdigest()


def write_text_atomically(path: Path, text: str) -> None:
    """Writes a UTF-8 file so that readers and a crash see the old text or the new, never a part.

    Raises:
        StorageFullError: no room; the old text stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with storage_errors(f"write {path}"):
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(name).chmod(0o644)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        _fsync(path.parent)


@contextlib.contextmanager
def storage_errors(what: str) -> Iterator[None]:
    """Turns "no space", "quota" and "file too large" of the operating system into a StorageFullError."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise StorageFullError(f"No room to {what}: free some space and run the command again.") from error
        raise


def _swap(partial: Path, directory: Path) -> None:
    """Moves the finished directory into place; what was there is removed after the new one stands."""
    retired: Path | None = None
    if directory.exists():
        retired = Path(tempfile.mkdtemp(prefix=f".{directory.name}.retired-", dir=directory.parent))
        directory.rename(retired / directory.name)
    partial.rename(directory)
    _fsync(directory.parent)
    if retired is not None:
        shutil.rmtree(retired, ignore_errors=True)


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _document_sha256(document: Mapping[str, Any]) -> str:
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _artifact_from_json(document: Mapping[str, Any]) -> Artifact:
    return Artifact(
        **{
            **document,
            "format": ArtifactFormat(document["format"]),
            "precision": Precision(document["precision"]),
            "layout": Layout(document["layout"]),
        }
    )


def _signature_from_json(document: Mapping[str, Any]) -> Signature:
    def tensors(rows: list[Mapping[str, Any]]) -> tuple[TensorSpec, ...]:
        return tuple(TensorSpec(row["name"], row["datatype"], tuple(row["shape"])) for row in rows)

    return Signature(
        labels=tuple(document["labels"]),
        max_tokens=document["max_tokens"],
        inputs=tensors(document["inputs"]),
        outputs=tensors(document["outputs"]),
    )
