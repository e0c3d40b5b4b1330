"""Projects that are backed up, and backups as somebody could make them who knows their form."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from seatrial.config import load_settings
from seatrial.wiring.workshop import Workshop
from tests.houses import MODEL

SETTINGS = f'[model]\nname = "{MODEL}"\n[serving]\nartifact = "onnx-fp32"\n'
KEY = '[store]\nkeep_versions = 1\nsigning_key_file = ".seatrial/key"\n'


def sealed(document: dict[str, Any]) -> str:
    """The text of a backup.json whose digest is right, whatever else it says."""
    body = {key: value for key, value in document.items() if key != "sha256"}
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return json.dumps({**body, "sha256": hashlib.sha256(text.encode()).hexdigest()})


def opened(directory: Path) -> Workshop:
    """Its objects, with the real registry."""
    return Workshop(load_settings(directory, environment={}))


def copy_of(origin: Workshop, directory: Path) -> Path:
    """The same project once more, to be spoilt."""
    shutil.copytree(origin.settings.home, directory / ".seatrial")
    shutil.copy(origin.settings.project_dir / "seatrial.toml", directory)
    return directory


def with_key(directory: Path) -> Path:
    """A project's directory with the key that its settings name, which no backup holds."""
    (directory / ".seatrial").mkdir(parents=True, exist_ok=True)
    (directory / ".seatrial" / "key").write_bytes(b"a key of the auditors")
    return directory
