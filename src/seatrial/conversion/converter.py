"""What turns one artifact into another, and which does it for which target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from seatrial.bundle import Bundle
from seatrial.config import ConversionSettings
from seatrial.conversion.onnx_export import OnnxExporter
from seatrial.conversion.quantize import DynamicQuantizer
from seatrial.domain.errors import UsageError
from seatrial.domain.model import Precision

__all__ = ["Conversion", "Converter", "converter_for"]
