"""The manifest: a round trip through JSON, a digest over all of it, and refusal of what is malformed."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.bundle import FileEntry, Manifest, files_sha256
from seatrial.bundle.manifest import _document_sha256
from seatrial.domain.errors import BundleManifestError
from seatrial.domain.evidence import Finding, Verdict
from seatrial.domain.model import ArtifactFormat
from tests.builders import PASSED, manifest

FILES = {"model.onnx": FileEntry("a" * 64, 3), "tokenizer.json": FileEntry("b" * 64, 2)}
PLAIN = replace(manifest("onnx-fp32", ArtifactFormat.ONNX), files=FILES, lineage={"exporter": "x", "opset": 17})


def through_text(document: dict[str, Any]) -> Any:
    """The document as it comes back from a file."""
    return json.loads(json.dumps(document))


def test_round_trip() -> None:
    assert Manifest.from_json(through_text(PLAIN.to_json()), "here") == PLAIN


def test_round_trip_of_a_source_bundle_without_version() -> None:
    source = replace(PLAIN, version=None, findings=())
    assert Manifest.from_json(through_text(source.to_json()), "here") == source
    assert source.ref == "tiny@?/onnx-fp32"


def test_details_and_lineage_with_number_keys_keep_their_digest() -> None:
    """JSON turns number keys into text and sorts them otherwise; the digest must not care."""
    finding = Finding("a.b", "tiny@1", Verdict.PASS, "Fine.", details={2: "x", 10: math.nan})  # type: ignore[dict-item]
    odd = replace(PLAIN, findings=(finding,), lineage={"by label": {2: 0.5, 10: 0.5}})
    back = Manifest.from_json(through_text(odd.to_json()), "here")
    assert back.sha256 == odd.sha256
    assert back.findings[0].details == {"2": "x", "10": None}


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), json_values, max_size=4))
def test_any_lineage_keeps_its_digest(lineage: dict[str, Any]) -> None:
    odd = replace(PLAIN, lineage=lineage)
    assert Manifest.from_json(through_text(odd.to_json()), "here") == odd


def test_the_digest_covers_every_field() -> None:
    others = [
        replace(PLAIN, model="other"),
        replace(PLAIN, version=2),
        replace(PLAIN, artifact=replace(PLAIN.artifact, profile="portable")),
        replace(PLAIN, signature=replace(PLAIN.signature, labels=("positive", "negative"))),
        replace(PLAIN, files={}),
        replace(PLAIN, pad_token_id=1),
        replace(PLAIN, findings=()),
        replace(PLAIN, lineage={}),
    ]
    assert len({PLAIN.sha256, *(other.sha256 for other in others)}) == len(others) + 1


def test_the_artifact_s_digest_depends_on_names_and_bytes_but_not_on_order() -> None:
    backwards = dict(reversed(FILES.items()))
    renamed = {"graph.onnx": FILES["model.onnx"], "tokenizer.json": FILES["tokenizer.json"]}
    changed = {**FILES, "model.onnx": FileEntry("c" * 64, 3)}
    assert files_sha256(backwards) == files_sha256(FILES)
    assert len({files_sha256(FILES), files_sha256(renamed), files_sha256(changed)}) == 3


def without(key: str) -> Callable[[dict[str, Any]], None]:
    """Takes a key out of the document."""

    def change(document: dict[str, Any]) -> None:
        del document[key]

    return change


def with_(place: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """Puts a value at a dotted place of the document."""

    def change(document: dict[str, Any]) -> None:
        *parents, last = place.split(".")
        for parent in parents:
            document = document[parent]
        document[last] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        without("model"),
        without("version"),
        without("artifact"),
        without("signature"),
        without("files"),
        without("findings"),
        with_("model", "../up"),
        with_("model", 5),
        with_("version", "7"),
        with_("version", True),
        with_("version", 1.5),
        with_("artifact", []),
        with_("artifact.format", "zip"),
        with_("artifact.precision", None),
        with_("artifact.layout", "folded"),
        with_("signature.labels", "ab"),
        with_("signature.labels", ["only one"]),
        with_("signature.labels", ["", "x"]),
        with_("signature.labels", [1, 2]),
        with_("signature.max_tokens", "64"),
        with_("signature.max_tokens", 0),
        with_("files", []),
        with_("files", {"a": 5}),
        with_("files", {"a": {"sha256": "0"}}),
        with_("files", {"a": {"sha256": "0", "size_bytes": "1"}}),
        with_("pad_token_id", None),
        with_("findings", 5),
        with_("findings", {}),
        with_("findings", [5]),
        with_("findings", [{}]),
        with_("findings", [{**PASSED[0].to_json(), "verdict": 0}]),
        with_("findings", [{**PASSED[0].to_json(), "verdict": "perhaps"}]),
        with_("lineage", []),
    ],
)
def test_a_malformed_document_with_a_good_digest_is_refused(change: Callable[[dict[str, Any]], None]) -> None:
    document = through_text(PLAIN.to_json())
    del document["manifest_sha256"]
    change(document)
    with pytest.raises(BundleManifestError, match="here is malformed"):
        Manifest.from_json({**document, "manifest_sha256": _document_sha256(document)}, "here")


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_another_format_version_is_refused_by_name(version: object) -> None:
    with pytest.raises(BundleManifestError, match=r"has format .* this release reads 1"):
        Manifest.from_json({**PLAIN.to_json(), "format_version": version}, "here")


def test_a_manifest_without_digest_is_refused() -> None:
    document = PLAIN.to_json()
    del document["manifest_sha256"]
    with pytest.raises(BundleManifestError, match="was altered"):
        Manifest.from_json(document, "here")
