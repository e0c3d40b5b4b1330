"""What turns one artifact into another, and which converter makes which target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from seatrial.bundle import Bundle
from seatrial.config import ConversionSettings
from seatrial.domain.errors import UsageError
from seatrial.domain.model import Layout, Precision

__all__ = ["ONNX_FP32", "ONNX_INT8", "TAKEN_OVER", "Conversion", "Converter", "converter_for"]

ONNX_FP32 = "onnx-fp32"
ONNX_INT8 = "onnx-int8"
TAKEN_OVER = "source"
"""The profile of a graph that somebody else exported."""


@dataclass(frozen=True, slots=True)
class Conversion:
    """What a converter made.

    Attributes:
        profile: which form of graph it is.
        layout: how batches are laid out for it.
        lineage: how it was made: tool, options, what was chosen and why; JSON-serialisable.
    """

    profile: str
    layout: Layout = Layout.PADDED
    lineage: Mapping[str, Any] = field(default_factory=dict)


class Converter(Protocol):
    """Turns the files of one artifact into those of another. It judges nothing: the parity gate does."""

    @property
    def parent(self) -> str | None:
        """The target it starts from; None: the source bundle."""
        ...

    @property
    def precision(self) -> Precision:
        """The arithmetic of what it makes."""
        ...

    @property
    def options(self) -> Mapping[str, Any]:
        """Everything the result depends on besides the parent, the tools and this code; JSON-serialisable."""
        ...

    def convert(self, parent: Bundle, directory: Path) -> Conversion:
        """Writes the files of the new artifact, and nothing else, into an empty directory.

        Raises:
            ConversionError: a tool failed, or made something else than it should.
            UnsupportedModelError: the parent cannot be converted to this target.
            StorageFullError: no room.
        """
        ...


def converter_for(target: str, settings: ConversionSettings) -> Converter:
    """The converter that makes a target.

    Raises:
        UsageError: there is no such target.
    """
    from seatrial.conversion.onnx_export import OnnxExporter
    from seatrial.conversion.quantize import DynamicQuantizer

    if target == ONNX_FP32:
        return OnnxExporter(settings.profile)
    if target == ONNX_INT8:
        return DynamicQuantizer(settings.reduce_range)
    raise UsageError(f"There is no target {target!r}: use {ONNX_FP32} or {ONNX_INT8}.")
