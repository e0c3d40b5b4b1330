"""A Hugging Face directory made elsewhere: opened, tried, and saved again in our form."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seatrial.bundle import TOKENIZER_FILE
from seatrial.domain.errors import UnsupportedModelError
from seatrial.domain.inference import FloatArray, IntArray
from seatrial.text.tokenizer import Tokenizer
from seatrial.training.answers import require_answers
from seatrial.training.huggingface import open_classifier, pad_token_id, position_limit, quiet, save_classifier
from seatrial.training.tokenizer_files import stated_limit
from seatrial.training.trained_model import Declared, TrainedModel
from seatrial.training.validation import TrainedEngine

__all__ = ["read_huggingface"]


def read_huggingface(directory: Path, tokenizer_directory: Path, declared: Declared, target: Path) -> TrainedModel:
    """A classifier of a directory with config.json and weights, saved again under `target`.

    Args:
        target: what lies there is replaced.

    Raises:
        UnsupportedModelError: the directory holds no whole single-label classifier with a tokenizer that fits it.
        UsageError: the declared labels or length do not fit the model.
        MissingExtraError: torch or transformers is not installed.
        StorageFullError: no room.
    """
    with quiet():
        model, random_weights = open_classifier(directory)
        _require_trained(directory, model, random_weights)
        labels = declared.name_classes(_stated_labels(model), model.config.num_labels)
        max_tokens = declared.limit_tokens(position_limit(model) or stated_limit(tokenizer_directory))
        model.config.id2label = dict(enumerate(labels))
        model.config.label2id = {label: column for column, label in enumerate(labels)}
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        save_classifier(model, tokenizer_directory, target, max_tokens)
        tokenizer = Tokenizer.from_file(target / TOKENIZER_FILE, max_tokens)
        pad_id = pad_token_id(model, tokenizer.pad_id())
        engine = TrainedEngine(model)

        def run(inputs: Mapping[str, IntArray]) -> FloatArray:
            return engine.infer(inputs).logits

        require_answers(run, tokenizer, pad_id, len(labels))
    return TrainedModel(target, labels, max_tokens, pad_id)


def _require_trained(directory: Path, model: Any, random_weights: set[str]) -> None:
    if random_weights:
        raise UnsupportedModelError(
            f"{directory} lacks {len(random_weights)} weights of its classifier ({min(random_weights)}): it was never "
            "trained as one. Name it as training.base_model and train it, or bring the fine-tuned model."
        )
    if model.config.problem_type not in (None, "single_label_classification"):
        raise UnsupportedModelError(
            f"{directory} is a model for {model.config.problem_type}: bring one that gives each text a single label."
        )


def _stated_labels(model: Any) -> list[str]:
    names = model.config.id2label
    return [str(names[column]) for column in range(len(names)) if column in names]
