"""What may be loaded, and who answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.bundle import Bundle
from seatrial.domain.errors import (
    BundleAlteredError,
    InvalidRequestError,
    ModelNotServedError,
    RefusedArtifactError,
    UsageError,
)
from seatrial.domain.evidence import Finding, Verdict
from seatrial.engines.fake_engine import FakeEngine
from seatrial.serving.variants import Variant, load_variant, pick_variant
from seatrial.text.tokenizer import Tokenizer
from tests.builders import onnx_bundle, tokenizer_json


def variant(directory: Path, model: str, version: str = "1") -> Variant:
    path = directory / "tokenizer.json"
    path.write_text(tokenizer_json(), "utf-8")
    return Variant(model, version, ("negative", "positive"), Tokenizer.from_file(path, 64), FakeEngine())


def load(bundle: Bundle) -> Variant:
    return load_variant(bundle, lambda _bundle: FakeEngine())


def test_a_bundle_becomes_a_variant(tmp_path: Path) -> None:
    loaded = load(onnx_bundle(tmp_path / "bundle", version=7))
    assert (loaded.ref, loaded.labels) == ("tiny@7", ("negative", "positive"))
    scores = loaded.score(loaded.tokenizer.encode(["good film", "awful"], 64))
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


def test_the_only_model_answers_when_none_is_named(tmp_path: Path) -> None:
    only = variant(tmp_path, "a")
    assert pick_variant([only], None, "") is only
    assert pick_variant([only], "a", "") is only


def test_of_several_models_the_default_or_the_named_one_answers(tmp_path: Path) -> None:
    a, b = variant(tmp_path, "a"), variant(tmp_path, "b")
    assert pick_variant([a, b], None, "b") is b
    assert pick_variant([a, b], "a", "b") is a
    with pytest.raises(InvalidRequestError, match="a, b"):
        pick_variant([a, b], None, "")


def test_of_several_versions_the_one_asked_for_first_answers(tmp_path: Path) -> None:
    two, one = variant(tmp_path, "a", "2"), variant(tmp_path, "a", "1")
    assert pick_variant([two, one], None, "") is two


@pytest.mark.parametrize(("model", "default"), [("c", ""), (None, "c")])
def test_a_model_that_is_not_loaded_is_named_together_with_those_that_are(
    tmp_path: Path, model: str | None, default: str
) -> None:
    with pytest.raises(ModelNotServedError, match=r"'c'.*only a"):
        pick_variant([variant(tmp_path, "a")], model, default)
