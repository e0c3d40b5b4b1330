"""The weights a training starts from: found, identified, and given a head for our labels."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from seatrial.bundle import file_sha256
from seatrial.domain.errors import ConfigError, UnreachableError, UnsupportedModelError
from seatrial.domain.progress import SILENT, Progress
from seatrial.training.huggingface import open_classifier

__all__ = ["directory_sha256", "local_directory", "open_base"]

_FILES = ("*.json", "*.txt", "*.model", "*.safetensors")
_PICKLED = "pytorch_model*.bin"


def local_directory(base_model: str | Path, progress: Progress = SILENT) -> Path:
    """The directory of a base model; a hub id is fetched into the hub's own cache first.

    Raises:
        ConfigError: there is no such directory, and no hub model can have that name.
        UnreachableError: the hub does not give it.
    """
    path = Path(base_model).expanduser()
    if path.is_dir():
        return path
    if isinstance(base_model, Path) or path.exists() or base_model.startswith((".", "/", "~")):
        raise ConfigError(f"training.base_model: {base_model} is no directory: name one with config.json and weights.")
    with progress.step(f"fetch {base_model}"):
        return _fetched(base_model)


def directory_sha256(directory: Path) -> str:
    """Digest of the files a base model is read from: names and contents."""
    digest = hashlib.sha256()
    for path in sorted({path for pattern in (*_FILES, _PICKLED) for path in directory.glob(pattern)}):
        digest.update(f"{path.name}\0{file_sha256(path)}\n".encode())
    return digest.hexdigest()


def open_base(directory: Path, labels: tuple[str, ...], seed: int) -> Any:
    """A classifier for the labels: the encoder of the directory, and its head where that fits, else a new one.

    The caller's random state is used up: the new head depends on nothing but the seed.

    Raises:
        UnsupportedModelError: the directory holds no whole encoder.
    """
    import torch

    torch.manual_seed(seed)
    names = dict(enumerate(labels))
    model, random_weights = open_classifier(
        directory,
        num_labels=len(labels),
        id2label=names,
        label2id={label: column for column, label in names.items()},
        problem_type="single_label_classification",
        ignore_mismatched_sizes=True,
    )
    prefix = f"{model.base_model_prefix}."
    # A pooler belongs to the head: encoders are often published without one.
    lost = sorted(name for name in random_weights if name.startswith(prefix) and ".pooler." not in f".{name}")
    if lost:
        raise UnsupportedModelError(
            f"{directory} lacks {len(lost)} weights of the encoder that its config.json describes, {lost[0]} first: "
            "it cannot be a base model."
        )
    return model


def _fetched(hub_id: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError

    try:
        files = Path(snapshot_download(hub_id, allow_patterns=list(_FILES)))
        if not any(files.glob("*.safetensors")):
            files = Path(snapshot_download(hub_id, allow_patterns=[*_FILES, _PICKLED]))
    except HFValidationError as error:
        raise ConfigError(
            f"training.base_model: {hub_id!r} is neither a directory nor the id of a hub model (name or owner/name)."
        ) from error
    except Exception as error:  # the hub's client lets the errors of its transport through, each of another family
        raise UnreachableError(
            f"The model hub does not give {hub_id!r}: check the name and the network, or fetch the model where there "
            "is one and set training.base_model to its directory."
        ) from error
    return files
