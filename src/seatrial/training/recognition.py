"""Which of the accepted layouts a path is in; each has one reader."""

from __future__ import annotations

from pathlib import Path

from seatrial.bundle import TOKENIZER_FILE
from seatrial.domain.errors import UnsupportedModelError, UsageError
from seatrial.training.huggingface_source import read_huggingface
from seatrial.training.onnx_source import read_onnx
from seatrial.training.trained_model import Declared, TrainedModel

__all__ = ["ACCEPTED", "read_model"]

ACCEPTED = (
    "a Hugging Face directory (config.json, model.safetensors, tokenizer.json); an .onnx file, or a directory with "
    "model.onnx, with tokenizer.json beside it; an MLflow model of the flavour transformers (model and tokenizer) or "
    "onnx (tokenizer.json among its extra_files)"
)
_PICKLES = {".pt", ".pth", ".bin", ".pkl", ".pickle", ".joblib", ".ckpt", ".mar"}


def read_model(path: Path, declared: Declared, target: Path) -> TrainedModel:
    """A model that was made elsewhere, checked, with its files gathered under `target`.

    Args:
        target: a directory for the files; what lies there is replaced.

    Raises:
        UsageError: there is nothing at the path, or what was declared does not fit the model.
        UnsupportedModelError: it is in no accepted layout, or the model cannot be used.
        MissingExtraError: a library that reads the layout is not installed.
        StorageFullError: no room.
    """
    if not path.exists():
        raise UsageError(f"There is nothing at {path}: name a file or directory with a model.")
    if path.is_file():
        if path.suffix == ".onnx":
            return read_onnx(path, path.parent, declared, target)
        raise UnsupportedModelError(_refusal(path))
    if (path / "model" / "config.json").is_file():  # mlflow.transformers
        return read_huggingface(path / "model", _tokenizer_of(path), declared, target)
    if (path / "config.json").is_file() and _has_weights(path):
        return read_huggingface(path, path, declared, target)
    if (path / "model.onnx").is_file():
        extra = path / "extra_files"  # mlflow.onnx
        return read_onnx(path / "model.onnx", extra if (extra / TOKENIZER_FILE).is_file() else path, declared, target)
    raise UnsupportedModelError(_refusal(path))


def _tokenizer_of(path: Path) -> Path:
    components = path / "components" / "tokenizer"
    return components if components.is_dir() else path / "model"


def _has_weights(directory: Path) -> bool:
    return any(any(directory.glob(pattern)) for pattern in ("*.safetensors", "pytorch_model*.bin"))


def _refusal(path: Path) -> str:
    if path.suffix.lower() in _PICKLES:
        return (
            f"{path} is a pickle, which could run code when it is opened, and does not say what model it is: save the "
            f"model with model.save_pretrained(directory), or export it to ONNX. Accepted are {ACCEPTED}."
        )
    return f"{path} is in no layout Seatrial knows. Accepted are {ACCEPTED}."
