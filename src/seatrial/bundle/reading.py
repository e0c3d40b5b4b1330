"""An opened bundle: a directory whose files are those of its manifest."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from seatrial.bundle.manifest import (
    MANIFEST_FILE,
    TOKENIZER_FILE,
    FileEntry,
    Manifest,
    file_sha256,
    files_sha256,
)
from seatrial.domain.errors import (
    BundleAlteredError,
    BundleManifestError,
    BundleMissingFileError,
    RefusedArtifactError,
)
from seatrial.domain.evidence import Verdict

__all__ = ["Bundle"]


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
            BundleAlteredError: a file has another size or digest, or the manifest does not name it.
        """
        path = directory / MANIFEST_FILE
        try:
            document = json.loads(path.read_bytes())
        except FileNotFoundError:
            raise BundleManifestError(
                f"{directory} is no bundle: it has no {MANIFEST_FILE}. Make one with seatrial convert."
            ) from None
        except (ValueError, RecursionError, OSError) as error:
            raise BundleManifestError(f"{path} cannot be read: {error}. Convert the version again.") from error
        bundle = cls(directory, Manifest.from_json(document, str(path)))
        if verify:
            bundle.verify()
        return bundle

    def verify(self) -> None:
        """Checks every file against the manifest; see `open` for what it raises."""
        for name, entry in self.manifest.files.items():
            self._verify_file(Path(name), entry)
        if files_sha256(self.manifest.files) != self.manifest.artifact.sha256:
            raise BundleAlteredError(
                f"{self.directory}: the artifact's digest is not that of its files. Convert the version again."
            )
        for path in self._unnamed_files():
            # A library that is given the directory may read it: adapter_config.json alone changes a model.
            raise BundleAlteredError(f"{path} is not in the manifest: remove it, or fetch the bundle again.")

    def require_servable(self) -> None:
        """Raises RefusedArtifactError, with the reasons, unless every finding is PASS."""
        if not self.manifest.servable:
            reasons = [f.reason for f in self.manifest.findings if f.verdict is not Verdict.PASS]
            raise RefusedArtifactError(
                f"{self.manifest.ref} may not be served: {' '.join(reasons) or 'it has no findings.'} "
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

    def _verify_file(self, name: Path, entry: FileEntry) -> None:
        path = self.directory / name
        if any((self.directory / part).is_symlink() for part in (name, *name.parents[:-1])):
            raise BundleAlteredError(f"{path} is a link, and a bundle holds none: fetch the bundle again.")
        try:
            size_bytes = path.stat().st_size
            if size_bytes != entry.size_bytes:
                raise BundleAlteredError(
                    f"{path} has {size_bytes} bytes, its manifest says {entry.size_bytes}: fetch the bundle again."
                )
            if file_sha256(path) != entry.sha256:
                raise BundleAlteredError(f"{path} is not the file its manifest names (sha256): fetch the bundle again.")
        except (FileNotFoundError, NotADirectoryError):
            raise BundleMissingFileError(f"{path} is missing: convert or fetch the version again.") from None
        except OSError as error:
            raise BundleAlteredError(f"{path} cannot be read: {error}. Fetch the bundle again.") from error

    def _unnamed_files(self) -> Iterator[Path]:
        """Files that the manifest does not name; hidden ones are left to file systems and desktops."""
        for path in self.directory.rglob("*"):
            name = path.relative_to(self.directory)
            hidden = any(part.startswith(".") for part in name.parts)
            named = name.as_posix() in self.manifest.files or name.as_posix() == MANIFEST_FILE
            if not hidden and not named and not path.is_dir():
                yield path
