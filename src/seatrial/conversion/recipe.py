"""What an artifact and its findings depend on, as one digest: what did not change is not made again."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from collections.abc import Mapping
from pathlib import Path

import seatrial
from seatrial.bundle import file_sha256
from seatrial.config import ConversionSettings
from seatrial.conversion.converter import Converter
from seatrial.conversion.parity import ParityRows

__all__ = ["TOOLS", "recipe_sha256", "rows_sha256", "tool_versions"]

TOOLS = ("numpy", "onnx", "onnxruntime", "tokenizers", "torch", "transformers")
_PACKAGES = ("conversion", "engines", "stats", "text")


def recipe_sha256(parent_sha256: str, converter: Converter, rows: ParityRows, settings: ConversionSettings) -> str:
    """Digest over the parent's bytes, the converter's options, the rows, the limits, the tools and our own code."""
    parts = {
        "parent": parent_sha256,
        "converter": type(converter).__name__,
        "options": dict(converter.options),
        "rows": rows_sha256(rows),
        "settings": settings.model_dump(mode="json", exclude={"targets", "profile", "reduce_range"}),
        "tools": tool_versions(),
        "code": _code_sha256(),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def rows_sha256(rows: ParityRows) -> str:
    """Digest over the rows an artifact is compared on, the source's answers included."""
    digest = hashlib.sha256()
    for array in (rows.tokens.ids, rows.tokens.offsets, rows.truth, rows.source_logits):
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def tool_versions() -> Mapping[str, str]:
    """Versions of the libraries that make or run artifacts, those that are installed."""
    found = {}
    for name in TOOLS:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _code_sha256() -> str:
    root = Path(seatrial.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(path for package in _PACKAGES for path in (root / package).rglob("*.py")):
        digest.update(f"{path.relative_to(root).as_posix()}\0{file_sha256(path)}\n".encode())
    return digest.hexdigest()
