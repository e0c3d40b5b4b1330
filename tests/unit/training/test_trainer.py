from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from seatrial.bundle import MANIFEST_FILE, Bundle
from seatrial.config import TrainingSettings
from seatrial.domain.errors import ConfigError
from seatrial.domain.model import ArtifactFormat, Layout, Precision
from seatrial.training.entry_point import EntryPoint
from seatrial.training.text_classifier import TextClassifier
from seatrial.training.trainer import TrainingJob, train_bundle
from tests import builders

Settings = Callable[..., TrainingSettings]


def _job(settings: TrainingSettings, base: Path | str) -> TrainingJob:
    return TrainingJob("tiny", settings, base, builders.dataset(train=64, validation=16))


def test_the_settings_choose_the_trainer(settings: Settings) -> None:
    assert isinstance(_job(settings(), "base").trainer(), TextClassifier)
    assert isinstance(_job(settings(entry_point="mine:train"), "base").trainer(), EntryPoint)
    with pytest.raises(ConfigError):
        _job(settings(entry_point="mine.train"), "base").trainer()


def test_the_bundle_says_what_it_is_and_where_it_is_from(
    settings: Settings, tiny_directory: Path, tmp_path: Path
) -> None:
    train_bundle(_job(settings(), tiny_directory), tmp_path / "bundle", tmp_path / "work")
    manifest = Bundle.open(tmp_path / "bundle").manifest
    artifact = manifest.artifact
    assert (artifact.name, artifact.format, artifact.precision) == (
        "source",
        ArtifactFormat.HUGGINGFACE,
        Precision.FP32,
    )
    assert (artifact.layout, artifact.profile, artifact.derived_from) == (Layout.PADDED, "source", None)
    assert (manifest.version, manifest.findings, manifest.servable) == (None, (), False)
    assert manifest.signature == builders.SIGNATURE
    assert manifest.lineage["origin"] == "trained"
    assert manifest.lineage["data_sha256"] == "0" * 64
    assert manifest.lineage["code_revision"].startswith("seatrial ")
    assert {"base_model_sha256", "learning_rate", "torch"} <= set(manifest.lineage["parameters"])
    assert set(manifest.lineage["metrics"]) == {"train_loss", "validation_accuracy", "validation_loss"}


def test_equal_jobs_give_equal_bytes_in_any_place(settings: Settings, copied: Path, tmp_path: Path) -> None:
    manifests = []
    for place, base in ((tmp_path / "here", copied), (tmp_path / "over" / "there", copied.rename(tmp_path / "moved"))):
        base = base if base.exists() else tmp_path / "moved"
        train_bundle(_job(settings(), base), place / "bundle", place / "work")
        manifests.append((place / "bundle" / MANIFEST_FILE).read_bytes())
    assert manifests[0] == manifests[1]
