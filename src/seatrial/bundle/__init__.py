"""The bundle: the one directory form in which a model is stored, shipped and served.

``manifest.json`` names every other file with its size and sha256, the signature, the artifact, its lineage and the
findings that allow or forbid serving it. ``bundles/index.json`` maps versions and aliases to bundles, so that the
data plane needs no registry.

Belongs here: writing a bundle so that it is whole or absent, opening it so that nothing altered is served, the index.
Does not belong: making the files (conversion, training), running them (engines), deciding aliases (store).
Called by: data, training, registry, conversion, engines, serving, wiring, flows.
"""

from seatrial.bundle.atomic import (
    file_written_atomically,
    storage_errors,
    write_directory_atomically,
    write_text_atomically,
)
from seatrial.bundle.index import BundleIndex
from seatrial.bundle.manifest import (
    MANIFEST_FILE,
    TOKENIZER_FILE,
    FileEntry,
    Manifest,
    file_sha256,
    files_sha256,
)
from seatrial.bundle.reading import Bundle
from seatrial.bundle.writing import file_entries, write_bundle

__all__ = [
    "MANIFEST_FILE",
    "TOKENIZER_FILE",
    "Bundle",
    "BundleIndex",
    "FileEntry",
    "Manifest",
    "file_entries",
    "file_sha256",
    "file_written_atomically",
    "files_sha256",
    "storage_errors",
    "write_bundle",
    "write_directory_atomically",
    "write_text_atomically",
]
