"""What may be stored under a version: checked once, the same for every registry."""

from __future__ import annotations

import re
from pathlib import Path

from seatrial.bundle import MANIFEST_FILE, Bundle
from seatrial.domain.errors import UsageError
from seatrial.domain.model import Lineage, ModelVersion, Signature, check_model_name

__all__ = ["check_destination", "check_key", "open_artifact", "open_source"]

# What fits a tag and a search filter of every MLflow server, without quoting.
_KEY = re.compile(r"[A-Za-z0-9._:-]{1,200}")
# One plain directory name, as it becomes one.
_ARTIFACT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def check_key(lineage: Lineage) -> str:
    """The lineage's key, if a registry can find a version by it.

    Raises:
        UsageError: it is empty, longer than 200, or has other characters than those of digests.

    Example:
        >>> check_key(Lineage("sha256:0af3"))
        'sha256:0af3'
    """
    if not _KEY.fullmatch(lineage.key):
        raise UsageError(
            f"{lineage.key!r} cannot be a lineage key: use a digest of the content, "
            "1 to 200 letters, digits, '.', '_', ':' and '-'."
        )
    return lineage.key


def check_destination(directory: Path) -> Path:
    """The directory, if a bundle may come to lie there: it is absent, empty, or a bundle that is replaced.

    Raises:
        UsageError: it holds something else, which would be lost.
    """
    if not directory.exists() or (directory / MANIFEST_FILE).is_file():
        return directory
    if not directory.is_dir() or any(directory.iterdir()):
        raise UsageError(f"{directory} holds something else: name a new directory for the bundle.")
    return directory


def open_source(name: str, signature: Signature, directory: Path) -> Bundle:
    """Opens the bundle a new version of `name` starts from.

    Raises:
        BundleError: it is not whole.
        UsageError: it is of another model, another signature, or of a version that exists already.
    """
    check_model_name(name)
    bundle = Bundle.open(directory)
    if bundle.manifest.version is not None:
        raise UsageError(f"{directory} is {bundle.manifest.ref} already: add it to that version with add_bundle.")
    _check_belongs(bundle, name, signature)
    return bundle


def open_artifact(version: ModelVersion, directory: Path) -> Bundle:
    """Opens a bundle that is to be stored with `version`.

    Raises:
        BundleError: it is not whole.
        UsageError: it is of another model, version or signature.
    """
    bundle = Bundle.open(directory)
    if bundle.manifest.version not in (None, version.version):
        raise UsageError(f"{directory} is {bundle.manifest.ref}, not an artifact of {version.ref}: convert that one.")
    _check_belongs(bundle, version.name, version.signature)
    return bundle


def _check_belongs(bundle: Bundle, name: str, signature: Signature) -> None:
    artifact = bundle.manifest.artifact.name
    if not _ARTIFACT.fullmatch(artifact):
        raise UsageError(f"{artifact!r} cannot be an artifact's name: use letters, digits, '.', '-' and '_'.")
    if bundle.manifest.model != name:
        raise UsageError(f"{bundle.directory} is of model {bundle.manifest.model!r}, not {name!r}: name that model.")
    if bundle.manifest.signature != signature:
        raise UsageError(
            f"{bundle.directory} has another signature than {name}: all artifacts of a version have the same labels "
            "and limits. Make the bundle again from this version's source."
        )
