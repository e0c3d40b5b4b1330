"""What every trainer hands over, and the source bundle that is made of it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seatrial.bundle import Bundle, Manifest, write_bundle
from seatrial.domain.errors import UnsupportedModelError, UsageError
from seatrial.domain.model import Artifact, ArtifactFormat, Layout, Precision, Signature

__all__ = ["Declared", "TrainedModel", "write_source"]


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """A model as it lies on disk when its training is over.

    Attributes:
        directory: everything in it goes into the source bundle: config.json, model.safetensors and tokenizer.json,
            or model.onnx and tokenizer.json.
        labels: names of the classes, in the order of the logits' columns.
        max_tokens: the longest input the model takes, in tokens, special tokens included.
        pad_token_id: the id that fills padded cells.
        metrics: final figures, flat and finite.
        parameters: what the training was made with, flat.
    """

    directory: Path
    labels: tuple[str, ...]
    max_tokens: int
    pad_token_id: int = 0
    metrics: Mapping[str, float] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    format: ArtifactFormat = ArtifactFormat.HUGGINGFACE
    precision: Precision = Precision.FP32


@dataclass(frozen=True, slots=True)
class Declared:
    """What a person says of a model, where its files are silent or say it otherwise.

    Attributes:
        labels: names of the classes in the order of the logits' columns; None: as the files say.
        max_tokens: the longest input; None: as the files say.
    """

    labels: tuple[str, ...] | None = None
    max_tokens: int | None = None

    def name_classes(self, found: Sequence[str], classes: int) -> tuple[str, ...]:
        """The labels that apply: the declared ones, else those found in the files, else LABEL_0, LABEL_1 and so on.

        Args:
            found: labels the files name, in order; empty where they name none.
            classes: columns of the logits.

        Raises:
            UsageError: the declared labels are not one a class, or the files have the same names in another order.
            UnsupportedModelError: there are fewer than two classes.

        Example:
            >>> Declared(labels=("no", "yes")).name_classes(["LABEL_0", "LABEL_1"], 2)
            ('no', 'yes')
            >>> Declared().name_classes([], 2)
            ('LABEL_0', 'LABEL_1')
        """
        if classes < 2:
            raise UnsupportedModelError(f"The model has {classes} output: bring a classifier of at least two classes.")
        if self.labels is None:
            named = len(found) == classes
            return tuple(found) if named else tuple(f"LABEL_{column}" for column in range(classes))
        if len(self.labels) != classes:
            raise UsageError(
                f"{len(self.labels)} labels were given for a model of {classes} classes: give one a class."
            )
        if sorted(self.labels) == sorted(found) and self.labels != tuple(found):
            raise UsageError(
                f"The labels were given as {', '.join(self.labels)}, but the model's files have them in the order "
                f"{', '.join(found)}: give them in that order, or not at all."
            )
        return self.labels

    def limit_tokens(self, found: int | None) -> int:
        """The longest input that applies: the declared one, else that of the files.

        Raises:
            UsageError: neither is known, or the declared one is more than the model can take.
        """
        if self.max_tokens is None:
            if found is None:
                raise UsageError("The model's files do not say how many tokens it takes: say it with max_tokens.")
            return found
        if self.max_tokens < 1:
            raise UsageError(f"max_tokens must be at least 1, not {self.max_tokens}.")
        if found is not None and self.max_tokens > found:
            raise UsageError(f"max_tokens {self.max_tokens} is more than the {found} tokens the model can take.")
        return self.max_tokens


def write_source(trained: TrainedModel, model_name: str, origin: Mapping[str, Any], destination: Path) -> Bundle:
    """Writes the source bundle of a model that has no version yet.

    Args:
        origin: where the model is from: ``origin``, ``data_sha256`` and ``code_revision``. With the parameters and
            metrics it becomes the manifest's lineage, whose keys are the fields of `domain.model.Lineage` but for
            ``key``.

    Raises:
        StorageFullError: no room; nothing is left behind.
    """
    manifest = Manifest(
        model=model_name,
        version=None,
        artifact=Artifact("source", trained.format, trained.precision, Layout.PADDED, ""),
        signature=Signature(trained.labels, trained.max_tokens),
        files={},
        pad_token_id=trained.pad_token_id,
        lineage={**origin, "parameters": dict(trained.parameters), "metrics": dict(trained.metrics)},
    )
    return write_bundle(destination, manifest, lambda where: _copy_files(trained.directory, where))


def _copy_files(source: Path, target: Path) -> None:
    """Copies all files one by one: shutil.copytree would hide the errno of a full disk."""
    for path in sorted(source.rglob("*")):
        if path.is_file():
            copy = target / path.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
