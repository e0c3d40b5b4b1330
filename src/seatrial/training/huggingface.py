"""Classifiers in the layout of Hugging Face: opened whole or not at all, and saved the same way every time."""

from __future__ import annotations

import contextlib
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from seatrial.bundle import TOKENIZER_FILE
from seatrial.domain.errors import MissingExtraError, UnsupportedModelError
from seatrial.training.tensor_files import tensor_storage_errors
from seatrial.training.tokenizer_files import write_tokenizer, write_tokenizer_config

__all__ = ["open_classifier", "pad_token_id", "position_limit", "quiet", "save_classifier"]


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keeps transformers' bars and its reports of new weights off the screen: Seatrial shows its own progress.

    Raises:
        MissingExtraError: torch or transformers is not installed.
    """
    try:
        import torch  # noqa: F401  asked for here, so that its absence is one clear error
        from transformers.utils import logging
    except ImportError as error:
        raise MissingExtraError("torch and transformers", "train") from error

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def open_classifier(directory: Path, **options: Any) -> tuple[Any, set[str]]:
    """A sequence classifier in fp32 with eager attention, on the processor.

    Args:
        options: further arguments of ``from_pretrained``.

    Returns:
        The model, and the names of the weights that the files do not have in the right shape: they are random.

    Raises:
        UnsupportedModelError: no classifier can be made of the directory.
    """
    import torch
    from huggingface_hub.errors import StrictDataclassError
    from safetensors import SafetensorError
    from transformers import AutoModelForSequenceClassification

    try:
        model, report = AutoModelForSequenceClassification.from_pretrained(
            directory,
            dtype=torch.float32,
            attn_implementation="eager",  # what the exporter fuses, and the same arithmetic everywhere
            trust_remote_code=False,
            weights_only=True,
            output_loading_info=True,
            **options,
        )
    except pickle.UnpicklingError as error:
        raise UnsupportedModelError(
            f"The weights in {directory} are a pickle that holds more than tensors, and is not opened because it could "
            "run code: save the model again with model.save_pretrained(directory), which writes model.safetensors."
        ) from error
    except (
        OSError,
        ValueError,
        TypeError,
        KeyError,
        RuntimeError,
        ImportError,
        StrictDataclassError,
        SafetensorError,
    ) as error:
        raise UnsupportedModelError(f"{directory} cannot be opened as a sequence classifier: {error}") from error
    return model, set(report["missing_keys"]) | {name for name, *_ in report["mismatched_keys"]}


def position_limit(model: Any) -> int | None:
    """The longest input in tokens that the model has positions for, None where its positions are not counted."""
    limit: int | None = getattr(model.config, "max_position_embeddings", None)
    table = getattr(getattr(model.base_model, "embeddings", None), "position_embeddings", None)
    reserved: int | None = getattr(table, "padding_idx", None)
    # RoBERTa and its kin count positions from behind the one that belongs to padding.
    return limit if limit is None or reserved is None else limit - reserved - 1


def pad_token_id(model: Any, otherwise: int) -> int:
    """The id that fills padded cells: the model's own where its configuration names one."""
    stated = getattr(model.config, "pad_token_id", None)
    return otherwise if stated is None else int(stated)


def save_classifier(model: Any, tokenizer_directory: Path, target: Path, max_tokens: int) -> None:
    """Writes config.json, model.safetensors and the tokenizer; equal models give equal bytes.

    Raises:
        StorageFullError: no room.
        UnsupportedModelError: the directory has no tokenizer, or not that of the model.
    """
    with tensor_storage_errors(f"write the model to {target}"):
        model.save_pretrained(target)
        ids = write_tokenizer(tokenizer_directory, target / TOKENIZER_FILE)
        write_tokenizer_config(tokenizer_directory, target, max_tokens)
    embeddings = model.get_input_embeddings().weight.shape[0]
    if ids > embeddings:
        raise UnsupportedModelError(
            f"The tokenizer in {tokenizer_directory} gives {ids} ids, the model has only {embeddings} embeddings: they "
            "do not belong together."
        )
