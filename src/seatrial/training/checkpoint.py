"""The state of a training on disk, so that a killed run goes on where it was."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from seatrial.training.tensor_files import tensor_storage_errors

if TYPE_CHECKING:
    import torch

__all__ = ["Checkpoint", "Checkpoints"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """Where a training stood.

    Attributes:
        step: steps that were done.
        tensors: everything that later steps depend on.
    """

    step: int
    tensors: Mapping[str, torch.Tensor]


class Checkpoints:
    """The checkpoints of one training, a safetensors file each: nothing in them can run code when they are read.

    Args:
        directory: theirs alone; whatever else lies in it is removed when a checkpoint is saved.
        key: identifies the training; checkpoints of another key are not this training's.
    """

    def __init__(self, directory: Path, key: str) -> None:
        self.directory = directory
        self.key = key

    def save(self, checkpoint: Checkpoint) -> None:
        """Writes the checkpoint whole or not at all, and then removes the ones before it.

        Raises:
            StorageFullError: no room; the checkpoint before stays.
        """
        import safetensors.torch

        self.directory.mkdir(parents=True, exist_ok=True)
        path = self.directory / f"step-{checkpoint.step:09d}.safetensors"
        partial = path.with_suffix(".partial")
        with tensor_storage_errors(f"write the checkpoint {path}"):
            try:
                metadata = {"key": self.key, "step": str(checkpoint.step)}
                safetensors.torch.save_file(dict(checkpoint.tensors), partial, metadata)
                _fsync(partial)
                partial.replace(path)
                _fsync(self.directory)
            except BaseException:
                partial.unlink(missing_ok=True)
                raise
        for other in self.directory.iterdir():
            if other != path:
                other.unlink()

    def latest(self) -> Checkpoint | None:
        """The checkpoint of this training with the most steps; None: start from the beginning.

        One that cannot be read is left out with a warning.
        """
        for path in sorted(self.directory.glob("step-*.safetensors"), reverse=True):
            if found := self._read(path):
                return found
        return None

    def _read(self, path: Path) -> Checkpoint | None:
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, "pt") as file:
                metadata = file.metadata() or {}
                if metadata.get("key") != self.key:
                    _log.info("checkpoint of another training, not used", extra={"path": str(path)})
                    return None
                return Checkpoint(int(metadata["step"]), {name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118  no mapping
        except (SafetensorError, OSError, KeyError, ValueError) as error:
            _log.warning("checkpoint unreadable, not used", extra={"path": str(path), "reason": str(error)})
            return None


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
