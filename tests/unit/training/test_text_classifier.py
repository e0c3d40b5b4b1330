from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import tokenizers
import torch
import transformers
from safetensors.torch import load_file, save_file

from seatrial.bundle import TOKENIZER_FILE
from seatrial.config import TrainingSettings
from seatrial.domain.errors import StorageFullError, TrainingError, UnsupportedModelError
from seatrial.domain.progress import SILENT, Progress, Step
from seatrial.training.text_classifier import TextClassifier
from tests import builders
from tests.limits import file_size_limit

Settings = Callable[..., TrainingSettings]
DATASET = builders.dataset(train=160, validation=40)
STEPS = 10
LEARNING = {"learning_rate": 5e-3, "epochs": 8.0, "batch_size": 32, "freeze_embeddings": False}


class StopError(Exception):
    """Stands for anything that ends a training in its middle."""


class Watch:
    """Remembers what was shown; raises `StopError` when a training has come to a step."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.stop_at = stop_at
        self.titles: list[tuple[str, int | None]] = []
        self.notes: list[str] = []
        self.amounts: list[int] = []

    @contextlib.contextmanager
    def step(self, title: str, total: int | None = None) -> Iterator[Step]:
        self.titles.append((title, total))
        yield self

    def advance(self, amount: int = 1, note: str = "") -> None:
        self.amounts.append(amount)
        self.notes.append(note)
        if self.titles[-1][0] == "train" and sum(self.amounts) == self.stop_at:
            raise StopError


def _weights(directory: Path) -> dict[str, torch.Tensor]:
    return dict(load_file(directory / "model.safetensors"))


def _train(settings: TrainingSettings, base: Path, work_dir: Path, progress: Progress = SILENT) -> bytes:
    trained = TextClassifier(settings, base).train(DATASET, work_dir, progress)
    return (trained.directory / "model.safetensors").read_bytes()


def test_it_learns(settings: Settings, tiny_directory: Path, tmp_path: Path) -> None:
    trainer = TextClassifier(settings(**LEARNING), tiny_directory)
    trained = trainer.train(builders.dataset(train=600, validation=100), tmp_path)
    assert trained.metrics["validation_accuracy"] > 0.9
    assert trained.metrics["validation_loss"] < 0.3
    assert trained.metrics["train_loss"] < 0.3


def test_before_it_learned_it_knows_nothing(settings: Settings, tiny_directory: Path, tmp_path: Path) -> None:
    trainer = TextClassifier(settings(learning_rate=1e-9, epochs=0.1), tiny_directory)
    trained = trainer.train(builders.dataset(train=160, validation=100), tmp_path)
    assert 0.3 < trained.metrics["validation_accuracy"] < 0.7


def test_what_it_hands_over(settings: Settings, tiny_directory: Path, tmp_path: Path) -> None:
    trained = TextClassifier(settings(), tiny_directory).train(DATASET, tmp_path)
    assert trained.labels == builders.LABELS
    assert trained.max_tokens == builders.MAX_TOKENS
    assert trained.pad_token_id == 0
    assert trained.parameters["learning_rate"] == "0.003"
    assert trained.parameters["steps"] == str(STEPS)
    assert len(trained.parameters["base_model_sha256"]) == 64
    assert sorted(path.name for path in trained.directory.iterdir()) == [
        "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
    ]  # fmt: skip
    opened = transformers.AutoTokenizer.from_pretrained(trained.directory)
    assert set(opened("good film")) == {"input_ids", "attention_mask"}


def test_equal_inputs_give_equal_bytes_whatever_the_random_state_was(
    settings: Settings, tiny_directory: Path, tmp_path: Path
) -> None:
    first = _train(settings(), tiny_directory, tmp_path / "1")
    torch.manual_seed(99)
    before = torch.get_rng_state()
    assert _train(settings(), tiny_directory, tmp_path / "2") == first
    assert torch.equal(torch.get_rng_state(), before)
    assert _train(settings(seed=1), tiny_directory, tmp_path / "3") != first


@pytest.mark.parametrize("stop_at", [4, 6, 9])
def test_a_training_that_was_stopped_ends_with_the_same_bytes(
    settings: Settings, tiny_directory: Path, tmp_path: Path, stop_at: int
) -> None:
    chosen = settings(epochs=1.5)  # the checkpoint at step 12 lies in the second epoch
    whole = _train(chosen, tiny_directory, tmp_path / "whole")
    with pytest.raises(StopError):
        _train(chosen, tiny_directory, tmp_path / "stopped", Watch(stop_at))
    watch = Watch()
    assert _train(chosen, tiny_directory, tmp_path / "stopped", watch) == whole
    assert watch.amounts[0] == stop_at // 4 * 4
    assert "goes on from step" in watch.notes[0]


def test_metrics_do_not_tell_whether_a_training_was_stopped(
    settings: Settings, tiny_directory: Path, tmp_path: Path
) -> None:
    trainer = TextClassifier(settings(), tiny_directory)
    whole = trainer.train(DATASET, tmp_path / "whole")
    with pytest.raises(StopError):
        trainer.train(DATASET, tmp_path / "stopped", Watch(stop_at=7))
    again = trainer.train(DATASET, tmp_path / "stopped")
    assert again.metrics == whole.metrics
    assert again.parameters == whole.parameters


@pytest.mark.parametrize("changed", ["settings", "rows", "base"])
def test_a_checkpoint_of_another_training_is_not_used(
    settings: Settings, tiny_directory: Path, tmp_path: Path, changed: str
) -> None:
    base, dataset, chosen = tiny_directory, DATASET, settings()
    with pytest.raises(StopError):
        TextClassifier(chosen, base).train(dataset, tmp_path / "work", Watch(stop_at=6))
    if changed == "settings":
        chosen = settings(learning_rate=1e-3)
    elif changed == "rows":
        dataset = replace(dataset, sha256="1" * 64)
    else:
        base = tmp_path / "other"
        builders.huggingface_files(base, seed=1)
    watch = Watch()
    TextClassifier(chosen, base).train(dataset, tmp_path / "work", watch)
    assert watch.amounts[:STEPS] == [1] * STEPS


def test_how_often_it_is_written_down_does_not_matter(settings: Settings, tiny_directory: Path, tmp_path: Path) -> None:
    with pytest.raises(StopError):
        _train(settings(), tiny_directory, tmp_path / "work", Watch(stop_at=6))
    watch = Watch()
    _train(settings(checkpoint_every_steps=3), tiny_directory, tmp_path / "work", watch)
    assert watch.amounts[0] == 4


def test_a_truncated_checkpoint_is_left_out_and_training_starts_again(
    settings: Settings, tiny_directory: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = _train(settings(), tiny_directory, tmp_path / "whole")
    with pytest.raises(StopError):
        _train(settings(), tiny_directory, tmp_path / "stopped", Watch(stop_at=6))
    (checkpoint,) = (tmp_path / "stopped" / "checkpoints").iterdir()
    checkpoint.write_bytes(checkpoint.read_bytes()[:-100])
    with caplog.at_level(logging.WARNING):
        assert _train(settings(), tiny_directory, tmp_path / "stopped") == whole
    assert "checkpoint unreadable, not used" in caplog.messages


def test_a_part_of_an_epoch_is_a_part_of_the_steps(settings: Settings, tiny_directory: Path, tmp_path: Path) -> None:
    watch = Watch()
    _train(settings(epochs=0.5), tiny_directory, tmp_path, watch)
    assert watch.titles == [("train", STEPS // 2), ("validate", 40)]


def test_a_training_that_stops_half_way_is_gone_on_with_to_the_same_bytes(
    settings: Settings, tiny_directory: Path, tmp_path: Path
) -> None:
    whole = _train(settings(), tiny_directory, tmp_path / "whole")
    watch = Watch()
    half = _train(settings(stop_at_ratio=0.5), tiny_directory, tmp_path / "work", watch)
    assert half != whole
    assert watch.titles == [("train", STEPS // 2), ("validate", 40)]
    watch = Watch()
    assert _train(settings(), tiny_directory, tmp_path / "work", watch) == whole
    assert watch.amounts[0] == STEPS // 2, "it begins where the other stopped"


def test_a_training_that_stops_earlier_does_not_begin_where_a_longer_one_is(
    settings: Settings, tiny_directory: Path, tmp_path: Path
) -> None:
    half = _train(settings(stop_at_ratio=0.5), tiny_directory, tmp_path / "half")
    with pytest.raises(StopError):
        _train(settings(), tiny_directory, tmp_path / "work", Watch(stop_at=STEPS - 1))
    assert _train(settings(stop_at_ratio=0.5), tiny_directory, tmp_path / "work") == half


def test_the_progress_line_says_loss_and_time_left(settings: Settings, tiny_directory: Path, tmp_path: Path) -> None:
    watch = Watch()
    _train(settings(), tiny_directory, tmp_path, watch)
    assert re.fullmatch(r"loss \d\.\d{3}, \d+s left", watch.notes[0])
    assert watch.notes[STEPS - 1].endswith(", 0s left")


@pytest.mark.parametrize("frozen", [True, False])
def test_embeddings_stay_as_they_are_when_frozen(
    settings: Settings, tiny_directory: Path, tmp_path: Path, frozen: bool
) -> None:
    trained = TextClassifier(settings(freeze_embeddings=frozen), tiny_directory).train(DATASET, tmp_path)
    before, after = _weights(tiny_directory), _weights(trained.directory)
    table = "bert.embeddings.word_embeddings.weight"
    assert torch.equal(before[table], after[table]) == frozen
    assert not torch.equal(before["classifier.weight"], after["classifier.weight"])


def test_an_encoder_without_a_head_gets_one_for_the_labels(
    settings: Settings, encoder_directory: Path, tmp_path: Path
) -> None:
    names = ("bad", "fine", "good")
    dataset = replace(DATASET, labels=names)
    trained = TextClassifier(settings(), encoder_directory).train(dataset, tmp_path)
    assert _weights(trained.directory)["classifier.weight"].shape == (3, 32)
    config = transformers.AutoConfig.from_pretrained(trained.directory)
    assert tuple(config.id2label.values()) == names


def test_the_screen_stays_clean(
    settings: Settings,
    encoder_directory: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    bars = transformers.utils.logging.is_progress_bar_enabled()
    verbosity = transformers.utils.logging.get_verbosity()
    TextClassifier(settings(), encoder_directory).train(DATASET, tmp_path)
    assert capfd.readouterr() == ("", "")
    assert caplog.messages == []
    assert transformers.utils.logging.is_progress_bar_enabled() == bars
    assert transformers.utils.logging.get_verbosity() == verbosity


def test_threads_are_as_set_while_it_trains_and_given_back(
    settings: Settings, tiny_directory: Path, tmp_path: Path
) -> None:
    seen: list[int] = []

    class Threads(Watch):
        def advance(self, amount: int = 1, note: str = "") -> None:
            seen.append(torch.get_num_threads())

    before = torch.get_num_threads()
    dataset = builders.dataset(train=8, validation=0)
    TextClassifier(settings(threads=before + 1), tiny_directory).train(dataset, tmp_path, Threads())
    assert seen == [before + 1]
    assert torch.get_num_threads() == before


def test_the_tokenizer_neither_cuts_nor_pads(settings: Settings, copied: Path, tmp_path: Path) -> None:
    tokenizer = tokenizers.Tokenizer.from_file(str(copied / TOKENIZER_FILE))
    tokenizer.enable_truncation(8)
    tokenizer.enable_padding(length=8)
    tokenizer.save(str(copied / TOKENIZER_FILE))
    trained = TextClassifier(settings(), copied).train(DATASET, tmp_path)
    saved = tokenizers.Tokenizer.from_file(str(trained.directory / TOKENIZER_FILE))
    assert saved.truncation is None
    assert saved.padding is None


def test_a_rate_that_is_far_too_high_ends_with_the_step_and_advice(
    settings: Settings, copied: Path, tmp_path: Path
) -> None:
    weights = _weights(copied)
    weights["classifier.weight"] *= 1e38
    save_file(weights, copied / "model.safetensors", {"format": "pt"})
    with pytest.raises(TrainingError, match=r"not finite at step \d+ of 10: lower\s+training.learning_rate"):
        _train(settings(), copied, tmp_path)


def test_nothing_to_train_on(settings: Settings, tiny_directory: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no training rows"):
        TextClassifier(settings(), tiny_directory).train(builders.dataset(train=0), tmp_path)


def test_without_validation_rows_there_are_no_validation_figures(
    settings: Settings, tiny_directory: Path, tmp_path: Path
) -> None:
    trained = TextClassifier(settings(), tiny_directory).train(builders.dataset(160, validation=0), tmp_path)
    assert set(trained.metrics) == {"train_loss"}


def test_a_full_disk_keeps_what_was_trained(settings: Settings, tiny_directory: Path, tmp_path: Path) -> None:
    whole = _train(settings(), tiny_directory, tmp_path / "whole")
    with file_size_limit(50_000), pytest.raises(StorageFullError, match="checkpoint"):
        _train(settings(), tiny_directory, tmp_path / "full")
    assert _train(settings(), tiny_directory, tmp_path / "full") == whole


def test_a_base_model_without_a_tokenizer_is_refused(settings: Settings, copied: Path, tmp_path: Path) -> None:
    (copied / TOKENIZER_FILE).unlink()
    with pytest.raises(UnsupportedModelError, match=r"no tokenizer\.json"):
        _train(settings(), copied, tmp_path)
