"""From a Hugging Face classifier to a PyTorch model, and from that to a plain ONNX graph."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seatrial.bundle import Bundle
from seatrial.conversion.graph import OPSET
from seatrial.domain.errors import ConversionError, UnsupportedModelError

__all__ = ["Architecture", "export_graph", "load_classifier"]


@dataclass(frozen=True, slots=True)
class Architecture:
    """What fusion must know of a model; 0 where its configuration does not say.

    Attributes:
        model_type: the family, as transformers calls it.
        layers: attention layers.
        heads: attention heads of each.
        hidden: width of the representation.
    """

    model_type: str
    layers: int
    heads: int
    hidden: int


def load_classifier(source: Bundle) -> Any:
    """The model in fp32 and in evaluation mode, with eager attention, since only that form can be fused.

    Raises:
        UnsupportedModelError: the source is no sequence classifier, or lacks weights.
        ConversionError: a module would be exported in training mode.
    """
    model = _load(source).eval()
    training = [name or "the model" for name, module in model.named_modules() if module.training]
    if training:
        raise ConversionError(f"{training[0]} of {source.manifest.ref} stays in training mode: it cannot be exported.")
    return model


def export_graph(model: Any, pad_id: int, path: Path) -> Architecture:
    """Writes the graph: inputs ``input_ids`` and ``attention_mask``, batch and sequence dynamic, output ``logits``.

    The example has a padded row, so that no branch for batches without padding is traced.
    """
    import torch

    wrapper = _logits_only(model).eval()  # the exporter restores the wrapper's mode in every module inside it
    mask = torch.ones(2, 9, dtype=torch.int64)
    mask[1, 6:] = 0
    input_ids = torch.where(mask.bool(), torch.arange(9) + 1, pad_id)
    axes = {0: "batch", 1: "sequence"}
    with torch.no_grad():
        torch.onnx.export(
            wrapper,
            (input_ids, mask),
            str(path),
            opset_version=OPSET,
            dynamo=False,
            input_names=["input_ids", "attention_mask"],
            output_names=["logits"],
            dynamic_axes={"input_ids": axes, "attention_mask": axes, "logits": {0: "batch"}},
        )
    config = model.config
    sizes = (getattr(config, name, 0) for name in ("num_hidden_layers", "num_attention_heads", "hidden_size"))
    return Architecture(config.model_type, *map(int, sizes))


def _load(source: Bundle) -> Any:
    import torch
    import transformers

    try:
        with _without_bars():
            model, loading = transformers.AutoModelForSequenceClassification.from_pretrained(
                source.directory,
                attn_implementation="eager",
                dtype=torch.float32,
                local_files_only=True,
                use_safetensors=True,
                trust_remote_code=False,
                output_loading_info=True,
            )
    except Exception as error:  # transformers raises whatever its readers raise
        raise UnsupportedModelError(
            f"{source.directory} is no sequence classifier that transformers can load ({str(error)[:300]}): "
            "train or register it again."
        ) from error
    absent = sorted([*loading["missing_keys"], *map(str, loading["mismatched_keys"])])
    if absent:  # transformers would fill them with random numbers
        raise UnsupportedModelError(
            f"{source.directory} lacks weights of its own architecture, for example {absent[0]}: "
            "train or register it again."
        )
    return model


def _logits_only(model: Any) -> Any:
    """The model as a module of two tensors in and one out."""
    import torch

    class Logits(torch.nn.Module):  # type: ignore[misc]  # torch is not followed by the type checker
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            return self.model(input_ids=input_ids, attention_mask=attention_mask).logits

    return Logits()


@contextlib.contextmanager
def _without_bars() -> Iterator[None]:
    """Keeps the progress bar and the report of transformers away: progress has one voice here."""
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
