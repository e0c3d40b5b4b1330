"""What the whole lifecycle talks about: model versions, their stored forms, and the registry that keeps them."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

from seatrial.domain.errors import UsageError
from seatrial.domain.naming import ALIASES, Alias, Stage, VersionRef, check_model_name

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


class ArtifactFormat(enum.StrEnum):
    """How the weights of an artifact are stored, hence which engine runs it; PYTHON: people's own code runs it."""

    HUGGINGFACE = "huggingface"
    ONNX = "onnx"
    PYTHON = "python"


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
        if len(self.labels) < 2 or len(set(self.labels)) != len(self.labels) or not all(self.labels):
            raise UsageError(f"A classifier needs at least two distinct labels with a name, not {list(self.labels)}.")
        if self.max_tokens < 1:
            raise UsageError(f"max_tokens must be at least 1, not {self.max_tokens}: a model reads one token or more.")
        if not self.outputs:
            object.__setattr__(self, "outputs", (TensorSpec("logits", "FP32", (-1, len(self.labels))),))

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dictionary.

        Example:
            >>> signature = Signature(("no", "yes"), 128)
            >>> Signature.from_json(signature.to_json()) == signature
            True
        """
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Signature:
        """The signature that `to_json` wrote, also after it went through JSON text.

        Raises:
            KeyError, TypeError, UsageError: it is no signature.
        """

        def tensors(rows: Sequence[Mapping[str, Any]]) -> tuple[TensorSpec, ...]:
            return tuple(TensorSpec(row["name"], row["datatype"], tuple(row["shape"])) for row in rows)

        return cls(
            tuple(document["labels"]),
            document["max_tokens"],
            tensors(document["inputs"]),
            tensors(document["outputs"]),
        )


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
class Lineage:
    """Where a version came from, complete enough to make it again.

    Attributes:
        key: digest that identifies the content; registering the same key twice yields the same version.
        data_sha256: digest of the prepared data, None when the model was trained elsewhere.
        code_revision: version control revision or package version of the code that trained it.
        parameters: settings of the training, flat.
        metrics: final figures, flat.
        origin: how the version came to be: ``trained`` here, or brought from elsewhere.
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
