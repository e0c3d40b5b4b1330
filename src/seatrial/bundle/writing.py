"""Writes a bundle: files first, then the manifest that names them, then all of it to its place at once."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from seatrial.bundle.atomic import write_directory_atomically
from seatrial.bundle.manifest import MANIFEST_FILE, FileEntry, Manifest, file_sha256, files_sha256
from seatrial.bundle.reading import Bundle
from seatrial.domain.errors import UsageError

__all__ = ["file_entries", "write_bundle"]


def write_bundle(directory: Path, manifest: Manifest, fill: Callable[[Path], Manifest | None]) -> Bundle:
    """Writes a bundle so that `directory` is whole or as it was: `fill` puts the files into an empty directory.

    Args:
        directory: where the bundle shall lie; a bundle already there is replaced.
        manifest: everything but `files` and `artifact.sha256`, which are computed from what `fill` wrote.
        fill: writes the files; called once with a temporary directory beside `directory`. What it returns, if
            anything, takes the place of `manifest`: some facts are known only once the files are there.

    Raises:
        StorageFullError: no room; nothing is left behind.
        UsageError: `fill` left something else than plain files and directories.
    """
    complete = manifest

    def fill_and_sign(partial: Path) -> None:
        nonlocal complete
        final = fill(partial) or manifest
        files = file_entries(partial)
        complete = replace(final, files=files, artifact=replace(final.artifact, sha256=files_sha256(files)))
        (partial / MANIFEST_FILE).write_text(json.dumps(complete.to_json(), indent=1, ensure_ascii=False), "utf-8")

    write_directory_atomically(directory, fill_and_sign)
    return Bundle(directory, complete)


def file_entries(root: Path) -> dict[str, FileEntry]:
    """Size and digest of every file below a directory but a manifest, which is written anew.

    Raises:
        UsageError: something there is neither a plain file nor a directory.
    """
    entries = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise UsageError(f"{name!r} cannot stand in a bundle: copy plain files only, no links or devices.")
        if path.is_file() and name != MANIFEST_FILE:
            entries[name] = FileEntry(file_sha256(path), path.stat().st_size)
    return entries
