"""A model trained elsewhere becomes a source bundle, and from then on is like one of ours."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from seatrial.bundle import Bundle
from seatrial.domain.errors import MissingExtraError
from seatrial.training.recognition import read_model
from seatrial.training.trained_model import Declared, write_source

__all__ = ["Declared", "adopt"]

_NOTHING_DECLARED = Declared()
_MLFLOW_SCHEMES = ("models:/", "runs:/", "mlflow-artifacts:/")


def adopt(
    path: str,
    *,
    model_name: str,
    destination: Path,
    declared: Declared = _NOTHING_DECLARED,
    fetch_mlflow: Callable[[str], Path] | None = None,
) -> Bundle:
    """Writes the source bundle of a model trained elsewhere.

    Args:
        path: a file, a directory, or the URI of an MLflow model (``models:/…``, ``runs:/…``).
        model_name: of the model the version will belong to.
        destination: where the bundle shall lie.
        declared: labels and longest input, where the files do not say them.
        fetch_mlflow: brings the files of an MLflow model to this machine and returns their directory.

    Raises:
        UsageError: there is nothing at the path, or what was declared does not fit the model.
        UnsupportedModelError: the model is in no accepted layout, or cannot be served; the message says what can.
        MissingExtraError: a library that reads the layout is not installed.
        StorageFullError: no room; nothing is left behind.
    """
    if not path.startswith(_MLFLOW_SCHEMES):
        files = Path(path).expanduser()
    elif fetch_mlflow is None:
        raise MissingExtraError("mlflow", "registry")
    else:
        files = fetch_mlflow(path)
    destination.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{destination.name}.adopt-", dir=destination.parent) as gathered:
        model = read_model(files, declared, Path(gathered) / "model")
        origin = {"origin": f"adopted from {path}", "data_sha256": None, "code_revision": "unknown"}
        return write_source(model, model_name, origin, destination)
