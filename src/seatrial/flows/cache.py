"""The step cache: what did not change is not done again.

A step's key is a digest over everything its result depends on: its settings, the digests of its inputs and the source
code of the packages that do the work. A result is remembered only after the step is complete, so a killed step is
done again.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seatrial.bundle import write_text_atomically

__all__ = ["StepCache", "code_sha256", "key_of"]


def key_of(**parts: Any) -> str:
    """Hex digest over named, JSON-serialisable parts, independent of their order.

    Example:
        >>> key_of(a=1, b=[2]) == key_of(b=[2], a=1)
        True
    """
    canonical = json.dumps(parts, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()


def code_sha256(*packages: str) -> str:
    """Hex digest over the source files of packages or modules, found without importing them."""
    digest = hashlib.sha256()
    for package in packages:
        spec = importlib.util.find_spec(package)
        assert spec is not None
        assert spec.origin is not None
        origin = Path(spec.origin)
        files = sorted(origin.parent.rglob("*.py")) if origin.name == "__init__.py" else [origin]
        for path in files:
            digest.update(f"{path.relative_to(origin.parent).as_posix()}\0".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


class StepCache:
    """Results of finished steps, as small JSON documents by step and key; big files lie beside, in `directory_for`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def recall(self, step: str, key: str) -> dict[str, Any] | None:
        """What `remember` kept, None where the step was never finished with this key or its note is unreadable."""
        try:
            found = json.loads((self.directory / step / key / "result.json").read_text("utf-8"))
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    def remember(self, step: str, key: str, result: Mapping[str, Any]) -> None:
        """Keeps a finished step's result.

        Raises:
            StorageFullError: no room.
        """
        write_text_atomically(self.directory_for(step, key) / "result.json", json.dumps(result))

    def directory_for(self, step: str, key: str) -> Path:
        """The directory of this step's files, made if need be."""
        directory = self.directory / step / key
        directory.mkdir(parents=True, exist_ok=True)
        return directory
