"""What a backup says of itself: ``backup.json``, which names every other file with its size and sha256.

A backup is a directory of plain files: ``store.jsonl`` (the ledger and all other tables), ``mlflow.db`` (the registry,
where it is kept on this machine), ``bundles/``, ``home/`` (whatever else stands in the project's home) and
``project/seatrial.toml`` without passwords.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

import msgspec

from seatrial.bundle import FileEntry, file_sha256
from seatrial.domain.errors import BackupError

__all__ = [
    "BUNDLES",
    "HOME",
    "MANIFEST",
    "PROJECT",
    "REGISTRY",
    "STORE",
    "BackupManifest",
    "altered",
    "copied",
    "read_manifest",
    "require_unaltered",
]

MANIFEST = "backup.json"
STORE = "store.jsonl"
REGISTRY = "mlflow.db"
BUNDLES = "bundles"
HOME = "home"
PROJECT = "project"
_FORMAT_VERSION = 1
_CHUNK_BYTES = 2**20
_ANOTHER = "Do not use this backup; take another one."


@dataclass(frozen=True, slots=True)
class BackupManifest:
    """What a backup holds, and of what.

    Attributes:
        seatrial: the release that made it.
        at: the moment of its store, ISO 8601.
        model: name of the project's model.
        head: the ledger's head at that moment, signed where there is a key.
        production: the version in production of each model.
        home_uri: the project's home, which the registry's database names as part of many places.
        left_out: what is not in it, and why.
        damaged: bundles that were not as recorded when they were copied.
        files: every other file, by relative POSIX path.
    """

    seatrial: str
    at: str
    model: str
    head: str
    production: dict[str, int]
    home_uri: str
    left_out: tuple[str, ...]
    damaged: tuple[str, ...]
    files: dict[str, FileEntry]

    @property
    def size_bytes(self) -> int:
        """All files together."""
        return sum(entry.size_bytes for entry in self.files.values())

    def to_text(self) -> str:
        """The text of backup.json, with a digest over the rest of it."""
        body = {"format_version": _FORMAT_VERSION, **asdict(self)}
        return json.dumps({**body, "sha256": _sha256(body)}, indent=1)

    def below(self, prefix: str) -> dict[str, str]:
        """Names of the files below a directory of the backup, by what follows that directory in them."""
        return {name.removeprefix(f"{prefix}/"): name for name in self.files if name.startswith(f"{prefix}/")}


def read_manifest(directory: Path) -> BackupManifest:
    """What a backup says of itself, checked as far as it can be without reading the files.

    Raises:
        BackupError: it is no backup, was altered, holds other files than it names, or names one outside itself.
    """
    path = directory / MANIFEST
    try:
        document = json.loads(path.read_bytes())
        body = {key: value for key, value in document.items() if key != "sha256"}
        if document["format_version"] != _FORMAT_VERSION:
            raise ValueError(f"its format is {document['format_version']!r}, this release reads {_FORMAT_VERSION}")
        if document["sha256"] != _sha256(body):
            raise ValueError("it was altered after it was written")
        manifest = msgspec.convert(body, BackupManifest)
    except FileNotFoundError:
        raise BackupError(f"{directory} is no whole backup: it has no {MANIFEST}. {_ANOTHER}") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BackupError(f"{path} cannot be used: {error}. {_ANOTHER}") from error
    for name in manifest.files:
        _require_inside(directory, name)
    _require_no_others(directory, manifest.files)
    return manifest


def altered(path: Path) -> BackupError:
    """What is to be said of a file that is not the one that was backed up."""
    return BackupError(f"{path} is damaged: it is not the file that was backed up. {_ANOTHER}")


def require_unaltered(directory: Path, manifest: BackupManifest, name: str) -> None:
    """Raises BackupError for a file that is not the one that was backed up."""
    path = directory / name
    if FileEntry(file_sha256(path), path.stat().st_size) != manifest.files[name]:
        raise altered(path)


def copied(source: Path, target: Path, tell: Callable[[int], None], *, whole_lines: bool = False) -> FileEntry:
    """Copies a file and waits for the disk.

    Args:
        source: may grow meanwhile: what it has at the beginning is copied.
        tell: told of every so many bytes.
        whole_lines: leave out what follows the last line feed.

    Returns:
        Size and digest of what was copied.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with source.open("rb") as reading, target.open("wb") as writing:
        left = _size_bytes(reading, whole_lines)
        size = left
        while left and (chunk := reading.read(min(left, _CHUNK_BYTES))):
            left -= len(chunk)
            digest.update(chunk)
            writing.write(chunk)
            tell(len(chunk))
    return FileEntry(digest.hexdigest(), size - left)


def _size_bytes(file: BinaryIO, whole_lines: bool) -> int:
    """How much of an open file is to be copied."""
    size = file.seek(0, 2)
    end = size
    while whole_lines and end:
        begin = max(0, end - _CHUNK_BYTES)
        file.seek(begin)
        feed = file.read(end - begin).rfind(b"\n")
        if feed >= 0:
            end = begin + feed + 1
            break
        end = begin
    file.seek(0)
    return end if whole_lines else size


def _require_inside(directory: Path, name: str) -> None:
    """Raises BackupError for a name that is not the one spelling of a plain file inside the backup."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name or name != str(path) or name in (".", MANIFEST):
        raise BackupError(f"{directory / MANIFEST} names {name!r}, which leads out of the backup. {_ANOTHER}")
    if any((directory / part).is_symlink() for part in (path, *path.parents[:-1])):
        raise BackupError(f"{directory / path} is a link, and a backup holds none. {_ANOTHER}")
    if not (directory / path).is_file():
        raise BackupError(f"{directory / path} is missing. {_ANOTHER}")


def _require_no_others(directory: Path, files: Mapping[str, FileEntry]) -> None:
    for path in directory.rglob("*"):
        name = path.relative_to(directory).as_posix()
        if name not in files and name != MANIFEST and (path.is_symlink() or not path.is_dir()):
            raise BackupError(f"{path} is not in {MANIFEST}: remove it, or take another backup.")


def _sha256(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
