"""The bundles of one version as MLflow keeps them: plain files below one URI, with Seatrial's own digests."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from seatrial.bundle import MANIFEST_FILE, Bundle, write_directory_atomically
from seatrial.domain.errors import UnknownArtifactError, UnreachableError
from seatrial.registry.mlflow_connection import MlflowConnection

if TYPE_CHECKING:
    from mlflow.store.artifact.artifact_repo import ArtifactRepository

__all__ = ["StoredBundles"]


class StoredBundles:
    """Bundles below one URI, each in a directory with its artifact's name.

    A bundle's manifest is stored last: while it is absent, or names other files, the bundle is not there yet.

    Args:
        connection: the way to MLflow.
        uri: the directory of the bundles, as MLflow names it: a version's ``source``.
    """

    def __init__(self, connection: MlflowConnection, uri: str) -> None:
        self._connection = connection
        self.uri = uri

    def add(self, bundle: Bundle) -> str:
        """Stores a bundle in place of one of that name, and returns its URI; the same one again is a no-op.

        Raises:
            DependencyError: the files cannot be stored; repeat the call and it goes on.
        """
        artifact = bundle.manifest.artifact.name
        with self._connection.files(self.uri) as files:
            if not _holds(files, bundle):
                _upload(files, bundle)
                if not _holds(files, bundle):
                    raise UnreachableError(f"{self.uri}/{artifact} is not whole after the upload: run this again.")
        return f"{self.uri}/{artifact}"

    def fetch(self, artifact: str, destination: Path) -> Path:
        """Copies a stored bundle to `destination`, checked, in place of a bundle there.

        Raises:
            UnknownArtifactError: there is no bundle of that name.
            BundleError: what is stored is not whole.
            StorageFullError: no room; nothing is left behind.
        """

        def fill(partial: Path) -> None:
            with self._connection.files(self.uri) as files:
                self._check_present(files, artifact)
                fetched = Path(files.download_artifacts(artifact, dst_path=tempfile.mkdtemp(dir=partial)))
            for name in (*Bundle.open(fetched, verify=False).manifest.files, MANIFEST_FILE):
                (partial / name).parent.mkdir(parents=True, exist_ok=True)
                if (fetched / name).exists():
                    shutil.move(fetched / name, partial / name)
            shutil.rmtree(fetched.parent)  # with what the manifest does not name: files of a bundle that was replaced
            Bundle.open(partial)

        write_directory_atomically(destination, fill)
        return destination

    def _check_present(self, files: ArtifactRepository, artifact: str) -> None:
        names = sorted(PurePosixPath(entry.path).name for entry in files.list_artifacts("") if entry.is_dir)
        if artifact not in names:
            raise UnknownArtifactError(
                f"{self.uri} has no bundle {artifact!r} (it has {', '.join(names) or 'none'}): "
                f"make it with seatrial convert --to {artifact}."
            )


def _upload(files: ArtifactRepository, bundle: Bundle) -> None:
    """Uploads every file, the manifest last; a manifest that is replaced goes first.

    So a kill on the way leaves no manifest that files of another bundle could hide behind.
    """
    artifact = bundle.manifest.artifact.name
    if MANIFEST_FILE in _sizes(files, artifact):
        with tempfile.TemporaryDirectory() as scratch:
            no_manifest = Path(scratch, MANIFEST_FILE)
            no_manifest.write_text("{}", "utf-8")  # not every store can delete
            files.log_artifact(str(no_manifest), artifact)
    for name in (*bundle.manifest.files, MANIFEST_FILE):
        files.log_artifact(str(bundle.directory / name), str(PurePosixPath(artifact, name).parent))


def _holds(files: ArtifactRepository, bundle: Bundle) -> bool:
    """Whether exactly this bundle is stored, every file with its size."""
    artifact = bundle.manifest.artifact.name
    sizes = _sizes(files, artifact)
    if MANIFEST_FILE not in sizes:
        return False
    for name, entry in bundle.manifest.files.items():
        if name not in sizes or sizes[name] not in (None, entry.size_bytes):  # some stores tell no sizes
            return False
    with tempfile.TemporaryDirectory() as scratch:
        stored = Path(files.download_artifacts(f"{artifact}/{MANIFEST_FILE}", dst_path=scratch))
        return stored.read_bytes() == (bundle.directory / MANIFEST_FILE).read_bytes()


def _sizes(files: ArtifactRepository, artifact: str) -> dict[str, int | None]:
    """Size in bytes, where the store tells it, of every file of a stored bundle, by its name in the bundle."""
    sizes: dict[str, int | None] = {}
    directories = [artifact]
    while directories:
        for entry in files.list_artifacts(directories.pop()):
            if entry.is_dir:
                directories.append(entry.path)
            else:
                sizes[str(PurePosixPath(entry.path).relative_to(artifact))] = entry.file_size
    return sizes
