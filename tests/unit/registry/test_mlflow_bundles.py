from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.bundle import Bundle, write_bundle
from seatrial.domain.errors import BundleError, UnknownArtifactError
from seatrial.domain.model import ArtifactFormat
from seatrial.registry.mlflow_bundles import StoredBundles
from seatrial.registry.mlflow_connection import MlflowConnection
from tests.builders import SIGNATURE, manifest
from tests.mlflow_stores import file_bundle


@pytest.fixture
def stored(tmp_path: Path) -> StoredBundles:
    """Bundles in plain files: their store needs no database."""
    files = tmp_path / "stored"
    return StoredBundles(MlflowConnection("sqlite:///unused.db", str(files), 5), files.as_uri())


def test_a_file_the_manifest_does_not_name_is_not_fetched(stored: StoredBundles, tmp_path: Path) -> None:
    stored.add(file_bundle(tmp_path / "bundle"))
    (tmp_path / "stored" / "source" / "stranger.txt").write_text("x")
    fetched = stored.fetch("source", tmp_path / "fetched")
    assert not (fetched / "stranger.txt").exists()
    Bundle.open(fetched)


def test_files_of_a_replaced_bundle_are_not_fetched(stored: StoredBundles, tmp_path: Path) -> None:
    stored.add(file_bundle(tmp_path / "old"))
    made = manifest("source", ArtifactFormat.HUGGINGFACE, version=None, findings=(), signature=SIGNATURE)

    def fill(where: Path) -> None:
        (where / "only.bin").write_text("1")

    smaller = write_bundle(tmp_path / "new", made, fill)
    stored.add(smaller)
    fetched = stored.fetch("source", tmp_path / "fetched")
    assert sorted(path.name for path in fetched.iterdir()) == ["manifest.json", "only.bin"]


def test_an_upload_cut_off_by_a_kill_is_not_mistaken_for_the_old_bundle(
    stored: StoredBundles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new weights have the size of the old ones: only the manifest tells them apart."""
    old, new = file_bundle(tmp_path / "old", "aaaa"), file_bundle(tmp_path / "new", "bbbb")
    stored.add(old)

    class KilledError(BaseException):
        pass

    from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository

    log_artifact = LocalArtifactRepository.log_artifact

    def log_until_the_manifest(self: object, local_file: str, artifact_path: str) -> None:
        if local_file == str(new.directory / "manifest.json"):
            raise KilledError
        log_artifact(self, local_file, artifact_path)

    with monkeypatch.context() as patch:
        patch.setattr(LocalArtifactRepository, "log_artifact", log_until_the_manifest)
        with pytest.raises(KilledError):
            stored.add(new)
    with pytest.raises(BundleError):
        stored.fetch("source", tmp_path / "fetched")
    stored.add(old)
    assert (stored.fetch("source", tmp_path / "fetched") / "weights.bin").read_text() == "aaaa"


@pytest.mark.parametrize("spoil", ["missing", "altered", "no manifest"])
def test_a_stored_bundle_that_is_not_whole_is_not_handed_out(stored: StoredBundles, tmp_path: Path, spoil: str) -> None:
    bundle = file_bundle(tmp_path / "bundle")
    stored.add(bundle)
    place = tmp_path / "stored" / "source"
    if spoil == "missing":
        (place / "weights.bin").unlink()
    elif spoil == "altered":
        (place / "weights.bin").write_text("WEIGHTS")
    else:
        (place / "manifest.json").unlink()
    with pytest.raises(BundleError):
        stored.fetch("source", tmp_path / "fetched")
    assert not (tmp_path / "fetched").exists()
    if spoil != "altered":  # same size, same manifest: only fetching it finds out
        stored.add(bundle)
        Bundle.open(stored.fetch("source", tmp_path / "fetched"))


def test_an_empty_store_has_no_bundles(stored: StoredBundles, tmp_path: Path) -> None:
    with pytest.raises(UnknownArtifactError, match="it has none"):
        stored.fetch("source", tmp_path / "fetched")
