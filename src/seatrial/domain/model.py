"""What the whole lifecycle talks about: model versions, their stored forms, and the registry that keeps them."""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from seatrial.domain.errors import UsageError

__all__ = [
    "ALIASES",
    "Alias",
    "Artifact",
    "ArtifactFormat",
    "Layout",
    "Lineage",
    "ModelRegistry",
    "ModelVersion",
    "Precision",
    "Signature",
    "Stage",
    "TensorSpec",
    "VersionRef",
    "check_model_name",
]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class Alias(enum.StrEnum):
    """The roles a version can have; at most one version of a model has each."""

    CANDIDATE = "candidate"
    STAGING = "staging"
    PRODUCTION = "production"
    PREVIOUS = "previous"


ALIASES: tuple[Alias, ...] = tuple(Alias)


class Stage(enum.StrEnum):
    """MLflow's stage field, kept in step with the aliases for people who read it."""

    NONE = "None"
    STAGING = "Staging"
    PRODUCTION = "Production"
    ARCHIVED = "Archived"


class ArtifactFormat(enum.StrEnum):
    """How the weights of an artifact are stored, hence which engine runs it."""

    HUGGINGFACE = "huggingface"
    ONNX = "onnx"


class Precision(enum.StrEnum):
    """The arithmetic of the artifact's heavy layers."""

    FP32 = "fp32"
    FP16 = "fp16"
    INT8 = "int8"


class Layout(enum.StrEnum):
    """How a ragged batch is laid out for the artifact.

    PADDED: ``input_ids`` and ``attention_mask``, both (texts, longest) int64.
    PACKED: token ids end to end, (tokens,) int64, with index arrays; padding exists only inside attention.
    """

    PADDED = "padded"
    PACKED = "packed"


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One named tensor: datatype in Open Inference Protocol words (INT64, FP32, BYTES), shape with -1 for dynamic."""

    name: str
    datatype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Signature:
    """The public inputs and outputs of a version, the same for all its artifacts.

    Attributes:
        labels: names of the classes, in the order of the logits' columns.
        max_tokens: the longest input the model takes, in tokens, special tokens included.
    """

    labels: tuple[str, ...]
    max_tokens: int
    inputs: tuple[TensorSpec, ...] = (
        TensorSpec("input_ids", "INT64", (-1, -1)),
        TensorSpec("attention_mask", "INT64", (-1, -1)),
    )
    outputs: tuple[TensorSpec, ...] = ()

    def __post_init__(self) -> None:
        if len(self.labels) < 2 or len(set(self.labels)) != len(self.labels):
            raise UsageError(f"A classifier needs at least two distinct labels, not {list(self.labels)}.")
        if self.max_tokens < 1:
            raise UsageError(f"max_tokens must be at least 1, not {self.max_tokens}.")
        if not self.outputs:
            object.__setattr__(self, "outputs", (TensorSpec("logits", "FP32", (-1, len(self.labels))),))


@dataclass(frozen=True, slots=True)
class Artifact:
    """One stored form of a version.

    Attributes:
        name: the conversion target it answers to, for example ``torch-fp32``, ``onnx-fp32``, ``onnx-int8``.
        profile: which graph the exporter made (``ort-fused``, ``portable``), ``source`` for an original.
        sha256: digest over the digests of all its files: the identity of the bytes.
        derived_from: sha256 of the artifact it was made from, None for an original.
    """

    name: str
    format: ArtifactFormat
    precision: Precision
    layout: Layout
    sha256: str
    profile: str = "source"
    derived_from: str | None = None


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """An immutable (name, version): what the whole lifecycle talks about."""

    name: str
    version: int
    signature: Signature

    @property
    def ref(self) -> str:
        """``name@version``, the subject of findings about this version.

        Example:
            >>> ModelVersion("m", 3, Signature(("no", "yes"), 128)).ref
            'm@3'
        """
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, slots=True)
class VersionRef:
    """What a person types to name a version: ``name@7`` or ``name@production``; bare ``name`` means production.

    Example:
        >>> VersionRef.parse("bert-sentiment@7").selector
        7
        >>> VersionRef.parse("bert-sentiment").selector
        'production'
    """

    name: str
    selector: int | str

    @classmethod
    def parse(cls, text: str) -> VersionRef:
        """Reads ``MODEL@V``.

        Raises:
            UsageError: the name is impossible, or the selector is neither a positive number nor an alias.
        """
        name, at, selector = text.partition("@")
        check_model_name(name)
        if not at:
            return cls(name, Alias.PRODUCTION.value)
        if selector.isascii() and selector.isdigit() and int(selector) > 0:
            return cls(name, int(selector))
        if selector in set(Alias):
            return cls(name, selector)
        raise UsageError(
            f"{text!r} names no version: write {name}@NUMBER or {name}@ALIAS with one of {', '.join(Alias)}."
        )

    def __str__(self) -> str:
        return f"{self.name}@{self.selector}"


@dataclass(frozen=True, slots=True)
class Lineage:
    """Where a version came from, complete enough to make it again.

    Attributes:
        key: digest that identifies the content; registering the same key twice yields the same version.
        data_sha256: digest of the prepared data, None when the model was trained elsewhere.
        code_revision: version control revision or package version of the code that trained it.
        parameters: settings of the training, flat.
        metrics: final figures, flat.
    """

    key: str
    data_sha256: str | None = None
    code_revision: str = "unknown"
    parameters: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    origin: str = "trained"

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dictionary."""
        return {
            "key": self.key,
            "origin": self.origin,
            "data_sha256": self.data_sha256,
            "code_revision": self.code_revision,
            "parameters": dict(self.parameters),
            "metrics": dict(self.metrics),
        }


class ModelRegistry(Protocol):
    """Finds and stores versions and their bundles, and mirrors the aliases the store decided on.

    The store is the truth about aliases; a registry only follows. Every call is idempotent. Implementations raise
    UnreachableError when their server does not answer, and never serve a request path.
    """

    def create_version(self, name: str, signature: Signature, lineage: Lineage, source: Path) -> ModelVersion:
        """Stores a new version with its source bundle (a directory); the same lineage key gives the same version.

        Killed half way and called again, it completes the same version: no duplicate, no orphan.
        """
        ...

    def add_bundle(self, version: ModelVersion, directory: Path) -> str:
        """Stores one more bundle directory of a version; returns its URI. The same bundle again is a no-op."""
        ...

    def fetch_bundle(self, version: ModelVersion, artifact: str, destination: Path) -> Path:
        """Copies a stored bundle into `destination` and returns the directory.

        Raises:
            UnknownArtifactError: the version has no such bundle.
        """
        ...

    def get_version(self, name: str, version: int) -> ModelVersion:
        """Raises UnknownModelError or UnknownVersionError when there is none."""
        ...

    def list_models(self) -> Sequence[str]:
        """Names of all models, sorted."""
        ...

    def list_versions(self, name: str) -> Sequence[ModelVersion]:
        """All versions, oldest first. Raises UnknownModelError."""
        ...

    def source_uri(self, version: ModelVersion) -> str:
        """Where the version's files are, as the registry names it."""
        ...

    def set_alias(self, name: str, alias: Alias, version: int) -> None:
        """Points the alias at the version, and moves MLflow's stage field along where there is one."""
        ...

    def delete_alias(self, name: str, alias: Alias) -> None:
        """Removes the alias; no error when it is not set."""
        ...

    def aliases(self, name: str) -> Mapping[Alias, int]:
        """The aliases as the registry holds them now."""
        ...

    def stages(self, name: str) -> Mapping[int, Stage]:
        """The stage of every version as the registry holds it now; empty where the registry has no stages."""
        ...

    def set_tag(self, name: str, key: str, value: str) -> None:
        """Sets a tag on the model; the ledger anchors its head here."""
        ...

    def tags(self, name: str) -> Mapping[str, str]:
        """All tags of the model."""
        ...


def check_model_name(name: str) -> str:
    """The name, if it can be a model's: letters, digits, dot, dash and underscore, at most 100.

    Raises:
        UsageError: it cannot.

    Example:
        >>> check_model_name("bert-sentiment")
        'bert-sentiment'
    """
    if not _NAME.fullmatch(name) or ".." in name:
        raise UsageError(
            f"{name!r} cannot be a model name: use letters, digits, '.', '-' and '_', at most 100, "
            "starting with a letter or digit."
        )
    return name
