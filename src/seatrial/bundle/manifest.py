"""The manifest: what a bundle says of itself, and the digests it says it with."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from seatrial.domain.errors import BundleManifestError, UsageError
from seatrial.domain.evidence import Finding, Verdict, worst
from seatrial.domain.model import Artifact, Signature, check_model_name

__all__ = ["MANIFEST_FILE", "TOKENIZER_FILE", "FileEntry", "Manifest", "file_sha256", "files_sha256"]

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

    @property
    def sha256(self) -> str:
        """Digest over everything the manifest says: the identity of the bundle."""
        return _document_sha256(self._body())

    def to_json(self) -> dict[str, Any]:
        """The document of manifest.json, with a digest over the rest of it."""
        return {**self._body(), "manifest_sha256": self.sha256}

    def _body(self) -> dict[str, Any]:
        return {
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
            manifest = replace(
                msgspec.convert({**body, "findings": ()}, cls),
                findings=tuple(map(Finding.from_json, msgspec.convert(body["findings"], list[dict[str, Any]]))),
            )
            check_model_name(manifest.model)
        except (KeyError, TypeError, ValueError, UsageError) as error:
            raise BundleManifestError(f"{where} is malformed ({error}): convert the version again.") from error
        for name in manifest.files:
            if not _stays_inside(name):
                raise BundleManifestError(f"{where} names {name!r}, no file of the bundle: do not use this bundle.")
        return manifest


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


def _stays_inside(name: str) -> bool:
    """Whether a name is the one spelling of a path inside the bundle, and not the manifest's own."""
    path = PurePosixPath(name)
    escapes = path.is_absolute() or ".." in path.parts or "\0" in name
    return not escapes and name == str(path) and name not in (".", MANIFEST_FILE)


def _document_sha256(document: Mapping[str, Any]) -> str:
    # Through JSON and back first, since number keys become text there: the digest is of what will be read.
    as_read = json.loads(json.dumps(document))
    return hashlib.sha256(json.dumps(as_read, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
