"""Opening a bundle: whole and unaltered, or refused with the reason."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from seatrial.bundle import MANIFEST_FILE, Bundle, write_bundle
from seatrial.domain.errors import (
    BundleAlteredError,
    BundleError,
    BundleManifestError,
    BundleMissingFileError,
    RefusedArtifactError,
)
from seatrial.domain.evidence import Finding, Verdict
from seatrial.domain.model import ArtifactFormat
from tests.builders import PASSED, manifest


def bundle_with(directory: Path, *findings: Finding) -> Bundle:
    """A bundle of one file with these findings."""
    return write_bundle(
        directory,
        manifest("onnx-fp32", ArtifactFormat.ONNX, findings=findings),
        lambda where: (where / "model.onnx").touch(),
    )


def test_what_was_written_is_what_is_opened(bundle: Bundle) -> None:
    assert Bundle.open(bundle.directory) == bundle
    assert set(bundle.manifest.files) == {"tokenizer.json", "weights/first.bin"}
    assert bundle.manifest.size_bytes == 2 + 256
    assert bundle.manifest.ref == "tiny@1/onnx-fp32"


def test_a_bundle_may_be_reached_through_a_link(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "current").symlink_to(bundle.directory)
    assert Bundle.open(tmp_path / "current").manifest == bundle.manifest


@pytest.mark.parametrize("name", ["tokenizer.json", "weights/first.bin"])
def test_a_missing_file_is_refused(bundle: Bundle, name: str) -> None:
    (bundle.directory / name).unlink()
    with pytest.raises(BundleMissingFileError, match=name):
        Bundle.open(bundle.directory)


def test_a_missing_directory_is_refused(bundle: Bundle) -> None:
    shutil.rmtree(bundle.directory / "weights")
    with pytest.raises(BundleMissingFileError, match=r"weights/first\.bin is missing"):
        Bundle.open(bundle.directory)


def test_a_file_where_a_directory_should_be_is_refused(bundle: Bundle) -> None:
    shutil.rmtree(bundle.directory / "weights")
    (bundle.directory / "weights").touch()
    with pytest.raises(BundleMissingFileError, match=r"weights/first\.bin"):
        Bundle.open(bundle.directory)


def test_a_directory_where_a_file_should_be_is_refused(bundle: Bundle) -> None:
    (bundle.directory / "tokenizer.json").unlink()
    (bundle.directory / "tokenizer.json").mkdir()
    with pytest.raises(BundleAlteredError, match=r"tokenizer\.json"):
        Bundle.open(bundle.directory)


@pytest.mark.parametrize("name", ["tokenizer.json", "weights/first.bin"])
def test_a_truncated_file_is_refused(bundle: Bundle, name: str) -> None:
    path = bundle.directory / name
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(BundleAlteredError, match=r"has \d+ bytes, its manifest says \d+"):
        Bundle.open(bundle.directory)


@pytest.mark.parametrize("name", ["tokenizer.json", "weights/first.bin"])
def test_one_changed_byte_is_refused(bundle: Bundle, name: str) -> None:
    path = bundle.directory / name
    path.write_bytes(path.read_bytes()[:-1] + b"\x07")
    with pytest.raises(BundleAlteredError, match="sha256"):
        Bundle.open(bundle.directory)


def test_one_changed_byte_anywhere_in_the_manifest_is_refused(bundle: Bundle) -> None:
    path = bundle.directory / MANIFEST_FILE
    whole = path.read_bytes()
    for position in range(0, len(whole), 3):
        if whole[position : position + 1].isspace():  # white space between the words of JSON says nothing
            continue
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        with pytest.raises(BundleManifestError):
            Bundle.open(bundle.directory)


def test_a_manifest_cut_short_anywhere_is_refused(bundle: Bundle) -> None:
    path = bundle.directory / MANIFEST_FILE
    whole = path.read_bytes()
    for length in range(0, len(whole), 5):
        path.write_bytes(whole[:length])
        with pytest.raises(BundleManifestError):
            Bundle.open(bundle.directory)


@pytest.mark.parametrize(
    "text", [b"", b"not JSON", b"\xff\xfe", b"[]", b"null", b'"a"', b"[" * 100_000, b"1" * 5_000, b'{"\\ud800": 1}']
)
def test_a_manifest_that_is_no_manifest_is_refused(bundle: Bundle, text: bytes) -> None:
    (bundle.directory / MANIFEST_FILE).write_bytes(text)
    with pytest.raises(BundleManifestError, match=MANIFEST_FILE):
        Bundle.open(bundle.directory)


def test_a_directory_without_manifest_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleManifestError, match="is no bundle"):
        Bundle.open(tmp_path)
    with pytest.raises(BundleManifestError, match="is no bundle"):
        Bundle.open(tmp_path / "absent")


def test_a_file_is_no_bundle(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BundleManifestError, match="cannot be read"):
        Bundle.open(tmp_path / "file")


def test_a_link_out_of_the_bundle_is_refused_even_to_the_same_bytes(bundle: Bundle, tmp_path: Path) -> None:
    outside = tmp_path / "outside.json"
    (bundle.directory / "tokenizer.json").rename(outside)
    (bundle.directory / "tokenizer.json").symlink_to(outside)
    with pytest.raises(BundleAlteredError, match="is a link"):
        Bundle.open(bundle.directory)


def test_a_linked_directory_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    (bundle.directory / "weights").rename(tmp_path / "elsewhere")
    (bundle.directory / "weights").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BundleAlteredError, match="is a link"):
        Bundle.open(bundle.directory)


def test_a_link_to_itself_is_refused(bundle: Bundle) -> None:
    (bundle.directory / "tokenizer.json").unlink()
    (bundle.directory / "tokenizer.json").symlink_to("tokenizer.json")
    with pytest.raises(BundleAlteredError, match="is a link"):
        Bundle.open(bundle.directory)


def test_a_file_that_the_manifest_does_not_name_is_refused(bundle: Bundle) -> None:
    (bundle.directory / "weights" / "adapter_config.json").write_text("{}", "utf-8")
    with pytest.raises(BundleAlteredError, match=r"adapter_config\.json is not in the manifest"):
        Bundle.open(bundle.directory)


def test_hidden_files_of_desktops_and_file_systems_are_nobody_s_business(bundle: Bundle) -> None:
    (bundle.directory / ".DS_Store").touch()
    (bundle.directory / "lost+found").mkdir()
    assert Bundle.open(bundle.directory) == bundle


def test_without_verification_only_the_manifest_is_read(bundle: Bundle) -> None:
    (bundle.directory / "tokenizer.json").unlink()
    assert Bundle.open(bundle.directory, verify=False).manifest == bundle.manifest


def resign(directory: Path, **changes: Any) -> None:
    """Changes the manifest as somebody would who knows how its digest is made."""
    document = json.loads((directory / MANIFEST_FILE).read_text("utf-8"))
    body = {key: value for key, value in document.items() if key != "manifest_sha256"} | changes
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    (directory / MANIFEST_FILE).write_text(json.dumps({**body, "manifest_sha256": digest}), "utf-8")


@pytest.mark.parametrize(
    "name",
    [
        "../outside",
        "/etc/hostname",
        "weights/../../outside",
        "..",
        ".",
        "",
        "a\0b",
        "./tokenizer.json",
        "manifest.json",
    ],
)
def test_a_name_that_leads_elsewhere_is_refused(bundle: Bundle, name: str) -> None:
    resign(bundle.directory, files={name: {"sha256": "0" * 64, "size_bytes": 1}})
    with pytest.raises(BundleManifestError, match="names"):
        Bundle.open(bundle.directory, verify=False)


def test_the_artifact_s_digest_must_be_that_of_its_files(bundle: Bundle) -> None:
    document = bundle.manifest.to_json()
    resign(bundle.directory, artifact={**document["artifact"], "sha256": "0" * 64})
    with pytest.raises(BundleAlteredError, match="digest"):
        Bundle.open(bundle.directory)


def test_every_refusal_is_a_bundle_error_that_says_what_to_do(bundle: Bundle) -> None:
    (bundle.directory / "tokenizer.json").unlink()
    with pytest.raises(BundleError, match="convert or fetch the version again"):
        Bundle.open(bundle.directory)


def finding(verdict: Verdict) -> Finding:
    """A finding of that verdict, whose reason is its word."""
    return Finding("conversion.parity", "tiny@1/onnx-fp32", verdict, f"It was {verdict.word}.")


def test_a_bundle_is_servable_if_all_findings_pass(tmp_path: Path) -> None:
    bundle_with(tmp_path / "one", finding(Verdict.PASS), finding(Verdict.PASS)).require_servable()


@pytest.mark.parametrize("verdict", [Verdict.INCONCLUSIVE, Verdict.ERROR, Verdict.FAIL])
def test_one_finding_short_of_pass_forbids_serving(tmp_path: Path, verdict: Verdict) -> None:
    refused = bundle_with(tmp_path / "one", finding(Verdict.PASS), finding(verdict))
    assert not refused.manifest.servable
    with pytest.raises(RefusedArtifactError, match=f"It was {verdict.word}") as caught:
        refused.require_servable()
    assert "It was pass" not in str(caught.value)


def test_no_findings_forbid_serving(tmp_path: Path) -> None:
    with pytest.raises(RefusedArtifactError, match="no findings"):
        bundle_with(tmp_path / "one").require_servable()


def test_paths_of_files_that_the_bundle_has(bundle: Bundle) -> None:
    assert bundle.tokenizer_path == bundle.directory / "tokenizer.json"
    with pytest.raises(BundleMissingFileError, match="it is no ONNX artifact"):
        _ = bundle.onnx_path


def test_paths_of_files_that_the_bundle_lacks(tmp_path: Path) -> None:
    graph_only = bundle_with(tmp_path / "one", *PASSED)
    assert graph_only.onnx_path == graph_only.directory / "model.onnx"
    with pytest.raises(BundleMissingFileError, match="it cannot read texts"):
        _ = graph_only.tokenizer_path
