"""What the demonstration releases, and how it damages a model; the whole of it runs in tests/system."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from seatrial.bundle import Bundle
from seatrial.domain.release import Phase
from seatrial.flows.demo_release import Played, damaged_copy
from tests import builders

PLAYED = Played("r-1", 1, 2, Phase.DONE, 100.0, 4199, 1280, 0)
TABLE = "bert.embeddings.word_embeddings.weight"


@pytest.mark.parametrize(
    ("played", "words"),
    [
        (PLAYED, "version 2 over version 1: in production after 4,199 requests, 1,280 of them to the new version"),
        (replace(PLAYED, phase=Phase.ROLLED_BACK, step_percent=10.0, failed=8), "rolled back by itself at 10 % after"),
        (replace(PLAYED, phase=Phase.RUNNING), "not over yet (running)"),
    ],
)
def test_how_a_release_ended_is_told(played: Played, words: str) -> None:
    assert words in played.sentence
    assert played.to_json()["phase"] == played.phase.value


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return builders.source_bundle(tmp_path_factory.mktemp("source") / "bundle")


def damaged_rows(source: Bundle, directory: Path, rare: str) -> set[int]:
    """Rows of the table that are of no use in a copy, where the training texts have a word that no other text has."""
    dataset = builders.dataset(train=8, validation=4, test=4)
    kept = replace(dataset.validation, texts=("good film",) * 4)
    training = replace(dataset.train, texts=("good film", f"good {rare}", *("film",) * 6))
    damaged_copy(source, replace(dataset, train=training, validation=kept, test=kept), directory)
    table = load_file(directory / "model.safetensors")[TABLE]
    return set(np.flatnonzero(np.isnan(table).any(axis=1)).tolist())


def test_only_words_that_no_held_out_text_has_are_damaged(source: Bundle, tmp_path: Path) -> None:
    rare = next(word for word in builders.VOCABULARY if word.isalpha() and word not in ("good", "film"))
    assert damaged_rows(source, tmp_path / "copy", rare) == {list(builders.VOCABULARY).index(rare)}
    assert not np.isnan(load_file(source.directory / "model.safetensors")[TABLE]).any(), "the original is whole"
    assert not (tmp_path / "copy" / "manifest.json").exists(), "a copy is no bundle"


def test_a_copy_is_made_anew(source: Bundle, tmp_path: Path) -> None:
    words = [word for word in builders.VOCABULARY if word.isalpha() and word not in ("good", "film")][:2]
    first, second = (damaged_rows(source, tmp_path / "copy", word) for word in words)
    assert first.isdisjoint(second)
