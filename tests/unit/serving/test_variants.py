"""What may be loaded, and who answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.bundle import Bundle
from seatrial.domain.errors import (
    BundleAlteredError,
    RefusedArtifactError,
    UsageError,
)
from seatrial.domain.evidence import Finding, Verdict
from seatrial.engines.fake_engine import FakeEngine
from seatrial.serving.variants import Variant, load_variant
from tests.builders import onnx_bundle


def load(bundle: Bundle) -> Variant:
    return load_variant(bundle, lambda _bundle: FakeEngine())


def test_a_bundle_becomes_a_variant(tmp_path: Path) -> None:
    loaded = load(onnx_bundle(tmp_path / "bundle", version=7))
    assert (loaded.ref, loaded.labels) == ("tiny@7", ("negative", "positive"))
    scores = loaded.scores(loaded.score(loaded.tokenizer.encode(["good film", "awful"], 64)))
    assert [score.label for score in scores] == [
        ("negative", "positive")[score.probabilities.index(max(score.probabilities))] for score in scores
    ]
    assert [sum(score.probabilities) for score in scores] == pytest.approx([1, 1])


@pytest.mark.parametrize("verdict", [Verdict.FAIL, Verdict.ERROR, Verdict.INCONCLUSIVE])
def test_a_bundle_with_a_finding_against_it_is_not_loaded(tmp_path: Path, verdict: Verdict) -> None:
    finding = Finding("conversion.flip_rate", "tiny@1/onnx-fp32", verdict, "Labels flip.")
    with pytest.raises(RefusedArtifactError, match="Labels flip"):
        load(onnx_bundle(tmp_path / "bundle", findings=[finding]))


def test_a_bundle_without_findings_is_not_loaded(tmp_path: Path) -> None:
    with pytest.raises(RefusedArtifactError):
        load(onnx_bundle(tmp_path / "bundle", findings=[]))


def test_a_bundle_that_was_altered_since_it_was_opened_is_not_loaded(tmp_path: Path) -> None:
    bundle = onnx_bundle(tmp_path / "bundle")
    path = bundle.onnx_path
    path.write_bytes(bytes(255 - byte for byte in path.read_bytes()))
    with pytest.raises(BundleAlteredError):
        load(bundle)


def test_a_bundle_without_a_version_is_not_loaded(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="register"):
        load(onnx_bundle(tmp_path / "bundle", version=None))
