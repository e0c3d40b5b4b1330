"""The index: from a version or alias to its bundle, with many writers and no registry."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from seatrial.bundle import MANIFEST_FILE, Bundle, BundleIndex, write_bundle
from seatrial.domain.errors import (
    BundleAlteredError,
    BundleManifestError,
    UnknownArtifactError,
    UnknownModelError,
    UnknownVersionError,
    UsageError,
)
from seatrial.domain.model import Alias, ArtifactFormat, VersionRef
from tests.builders import manifest


@pytest.fixture
def index(bundle: Bundle) -> BundleIndex:
    """An index with tiny@1/onnx-fp32 in it."""
    index = BundleIndex(bundle.directory.parent)
    index.add(bundle)
    return index


def test_a_version_is_found_by_number_and_by_alias(index: BundleIndex, bundle: Bundle) -> None:
    index.set_aliases("tiny", {Alias.PRODUCTION: 1})
    assert index.resolve(VersionRef("tiny", 1), "onnx-fp32") == bundle
    assert index.resolve(VersionRef.parse("tiny@production"), "onnx-fp32") == bundle
    assert index.resolve(VersionRef.parse("tiny"), "onnx-fp32") == bundle


def test_no_index_is_an_empty_one(tmp_path: Path) -> None:
    index = BundleIndex(tmp_path / "absent")
    assert index.read() == {"format_version": 1, "models": {}}
    assert index.aliases("tiny") == {}
    with pytest.raises(UnknownModelError, match=r"known: none"):
        index.resolve(VersionRef("tiny", 1), "onnx-fp32")


def test_an_unknown_model_is_told_what_is_known(index: BundleIndex) -> None:
    with pytest.raises(UnknownModelError, match=r"'tony' .*known: tiny\)"):
        index.resolve(VersionRef("tony", 1), "onnx-fp32")


def test_an_unknown_version_is_told_what_is_known(index: BundleIndex) -> None:
    index.set_aliases("tiny", {"production": 1})
    with pytest.raises(UnknownVersionError, match=r"tiny@2 .*known: 1, production is 1\).*convert tiny@2"):
        index.resolve(VersionRef("tiny", 2), "onnx-fp32")


def test_an_alias_nobody_has_is_told_what_is_known(index: BundleIndex) -> None:
    with pytest.raises(UnknownVersionError, match=r"tiny@staging .*known: 1\)"):
        index.resolve(VersionRef("tiny", "staging"), "onnx-fp32")


def test_an_alias_of_a_version_without_bundle_says_so(index: BundleIndex) -> None:
    index.set_aliases("tiny", {"staging": 5})
    with pytest.raises(UnknownVersionError, match=r"tiny@staging has no bundle \(known: 1, staging is 5\)"):
        index.resolve(VersionRef("tiny", "staging"), "onnx-fp32")


def test_an_unknown_artifact_is_told_what_is_known(index: BundleIndex) -> None:
    with pytest.raises(UnknownArtifactError, match=r"'onnx-int8' .*it has onnx-fp32.*--to onnx-int8"):
        index.resolve(VersionRef("tiny", 1), "onnx-int8")


def test_entering_a_bundle_again_changes_nothing(index: BundleIndex, bundle: Bundle) -> None:
    before = index.path.read_bytes()
    index.add(bundle)
    assert index.path.read_bytes() == before


def test_aliases_are_these_and_no_others(index: BundleIndex) -> None:
    index.set_aliases("tiny", {"production": 1, "candidate": 2})
    index.set_aliases("tiny", {"production": 2})
    assert index.aliases("tiny") == {"production": 2}
    assert "1" in index.read()["models"]["tiny"]["versions"]


def test_a_bundle_without_version_cannot_be_entered(tmp_path: Path) -> None:
    source = write_bundle(
        tmp_path / "s", manifest("source", ArtifactFormat.HUGGINGFACE, version=None), lambda where: None
    )
    with pytest.raises(UsageError, match="register it first"):
        BundleIndex(tmp_path).add(source)


def test_a_bundle_elsewhere_cannot_be_entered(bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not lie under"):
        BundleIndex(tmp_path / "other").add(bundle)


def test_a_relative_path_to_the_same_place_is_understood(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    index = BundleIndex(Path("bundles"))
    index.add(bundle)
    assert index.resolve(VersionRef("tiny", 1), "onnx-fp32").manifest == bundle.manifest


def test_findings_rewritten_with_a_fresh_digest_are_noticed(index: BundleIndex, bundle: Bundle) -> None:
    """Whoever turns a FAIL into a PASS in the manifest also has to know of the index."""
    path = bundle.directory / MANIFEST_FILE
    document = json.loads(path.read_text("utf-8"))
    document["findings"][0]["reason"] = "Trust me."
    del document["manifest_sha256"]
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
    path.write_text(json.dumps({**document, "manifest_sha256": hashlib.sha256(canonical).hexdigest()}), "utf-8")
    Bundle.open(bundle.directory)  # by itself it is whole
    with pytest.raises(BundleAlteredError, match="is not the bundle the index names"):
        index.resolve(VersionRef("tiny", 1), "onnx-fp32")


def test_another_bundle_in_the_place_is_noticed(index: BundleIndex, bundle: Bundle) -> None:
    write_bundle(bundle.directory, manifest("onnx-fp32", ArtifactFormat.ONNX, version=2), lambda where: None)
    with pytest.raises(BundleAlteredError, match="is not the bundle the index names"):
        index.resolve(VersionRef("tiny", 1), "onnx-fp32")


def test_files_are_verified_unless_told_not_to(index: BundleIndex, bundle: Bundle) -> None:
    (bundle.directory / "tokenizer.json").write_text("[]", "utf-8")
    with pytest.raises(BundleAlteredError):
        index.resolve(VersionRef("tiny", 1), "onnx-fp32")
    assert index.resolve(VersionRef("tiny", 1), "onnx-fp32", verify=False).manifest == bundle.manifest


def test_an_index_cut_short_anywhere_is_refused_with_the_way_out(index: BundleIndex) -> None:
    whole = index.path.read_bytes()
    for length in range(0, len(whole), 3):
        index.path.write_bytes(whole[:length])
        with pytest.raises(BundleManifestError, match="seatrial models verify --repair writes it anew"):
            index.read()


@pytest.mark.parametrize(
    "text",
    [
        b"[]",
        b"\xff",
        b"{}",
        b'{"format_version": 1}',
        b'{"format_version": 2, "models": {}}',
        b'{"format_version": 1, "models": []}',
        b'{"format_version": 1, "models": {"tiny": {}}}',
        b'{"format_version": 1, "models": {"tiny": {"versions": {}, "aliases": {"production": "1"}}}}',
        b'{"format_version": 1, "models": {"tiny": {"versions": {"1": {"artifacts": {"a": {}}}}, "aliases": {}}}}',
        b"[" * 100_000,
    ],
)
def test_an_index_that_is_no_index_is_refused_with_the_way_out(tmp_path: Path, text: bytes) -> None:
    index = BundleIndex(tmp_path)
    index.path.write_bytes(text)
    with pytest.raises(BundleManifestError, match="--repair"):
        index.resolve(VersionRef("tiny", 1), "onnx-fp32")
    with pytest.raises(BundleManifestError, match="--repair"):
        index.set_aliases("tiny", {"production": 1})
    assert index.path.read_bytes() == text  # kept for whoever repairs it


def test_threads_lose_nothing_of_each_other(index: BundleIndex, bundle: Bundle) -> None:
    def add(first: int) -> None:
        for version in range(first, first + 10):
            index.add(Bundle(bundle.directory, replace(bundle.manifest, version=version)))

    threads = [threading.Thread(target=add, args=(first,)) for first in (10, 20, 30, 40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(index.read()["models"]["tiny"]["versions"]) == {"1", *map(str, range(10, 50))}


def test_processes_lose_nothing_of_each_other_and_readers_see_whole_states(index: BundleIndex, bundle: Bundle) -> None:
    script = """
import sys
from dataclasses import replace
from pathlib import Path
from seatrial.bundle import Bundle, BundleIndex
bundle = Bundle.open(Path(sys.argv[1]))
index = BundleIndex(bundle.directory.parent)
sys.stdin.read()
for version in range(int(sys.argv[2]), int(sys.argv[2]) + 20):
    index.add(Bundle(bundle.directory, replace(bundle.manifest, version=version)))
    index.set_aliases(f"of-{sys.argv[2]}", {"production": version})
"""
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(bundle.directory), str(first)],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for first in (100, 200, 300)
    ]
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.close()  # now they all begin
    seen = 0
    while any(writer.poll() is None for writer in writers):
        versions = len(index.read()["models"]["tiny"]["versions"])
        assert versions >= seen
        seen = versions
    for writer in writers:
        assert writer.stderr is not None
        assert writer.wait() == 0, writer.stderr.read()
        writer.stderr.close()
    models = index.read()["models"]
    expected = {"1", *(str(first + i) for first in (100, 200, 300) for i in range(20))}
    assert set(models["tiny"]["versions"]) == expected
    assert [models[f"of-{first}"]["aliases"]["production"] for first in (100, 200, 300)] == [119, 219, 319]
