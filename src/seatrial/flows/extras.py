"""Which extra of the installation brings which package."""

from __future__ import annotations

from collections.abc import Mapping

from seatrial.domain.errors import MissingExtraError

__all__ = ["EXTRAS", "missing_extra"]

EXTRAS: Mapping[str, tuple[str, ...]] = {
    "control": ("sqlalchemy", "alembic", "psycopg", "scipy", "pyarrow", "jinja2", "matplotlib"),
    "registry": ("mlflow",),
    "train": ("torch", "transformers", "sklearn", "safetensors"),
    "convert": ("torch", "transformers", "onnx"),
}
"""Modules by extra, as they are imported; the first extra that has one is the one to install."""


def missing_extra(error: ModuleNotFoundError) -> MissingExtraError | None:
    """The error that says what to install where a package of an extra is not there, None for any other module.

    Example:
        >>> str(missing_extra(ModuleNotFoundError(name="scipy.stats")))
        "This step needs scipy: install it with pip install 'seatrial[control]'."
    """
    package = (error.name or "").partition(".")[0]
    for extra, modules in EXTRAS.items():
        if package in modules:
            return MissingExtraError(package, extra)
    return None
