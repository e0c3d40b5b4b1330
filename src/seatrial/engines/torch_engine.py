"""Source bundles through PyTorch, as they were trained: the reference every other artifact is compared with."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from seatrial.bundle import Bundle
from seatrial.domain.errors import MissingExtraError, UnsupportedModelError
from seatrial.domain.inference import EngineOutput, IntArray
from seatrial.engines.base import Engine

__all__ = ["TorchEngine"]


class TorchEngine(Engine):
    """A Hugging Face sequence classifier in eager PyTorch: eager attention, evaluation mode, fp32.

    Args:
        bundle: of a Hugging Face artifact.
        threads: how many threads PyTorch computes with, 0 for one a core; the number is the whole process's.

    Raises:
        MissingExtraError: torch or transformers is not installed.
        UnsupportedModelError: the files are no sequence classifier, lack weights, or have another number of labels.
    """

    def __init__(self, bundle: Bundle, threads: int = 1) -> None:
        model = _open_model(str(bundle.directory), threads)
        super().__init__(bundle.manifest.artifact, len(bundle.manifest.signature.labels), model)
        self._require_labels(str(bundle.directory))

    def _forward(self, runtime: Any, inputs: Mapping[str, IntArray]) -> EngineOutput:
        import torch

        with torch.inference_mode():
            output = runtime(**{name: torch.from_numpy(tensor) for name, tensor in inputs.items()})
        return EngineOutput(np.asarray(output.logits.numpy(), np.float32))


def _open_model(directory: str, threads: int) -> Any:
    try:
        import torch
        import transformers
    except ImportError as error:
        raise MissingExtraError("torch and transformers", "train") from error
    torch.set_num_threads(threads or os.cpu_count() or 1)
    try:
        with _quiet():
            model, loading = transformers.AutoModelForSequenceClassification.from_pretrained(
                directory,
                attn_implementation="eager",
                dtype=torch.float32,
                local_files_only=True,
                use_safetensors=True,
                trust_remote_code=False,
                output_loading_info=True,
            )
    except Exception as error:  # transformers raises whatever its readers raise
        raise UnsupportedModelError(
            f"{directory} is no sequence classifier that transformers can load ({error}): train or register it again."
        ) from error
    absent = sorted([*loading["missing_keys"], *map(str, loading["mismatched_keys"])])
    if absent:  # transformers would fill them with random numbers
        raise UnsupportedModelError(
            f"{directory} lacks weights of its own architecture, for example {absent[0]}: train or register it again."
        )
    return model.eval()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps transformers' bars and its report of absent weights off the screen: what matters of it is an error here."""
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
