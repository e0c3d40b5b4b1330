"""Copies of models that other people logged to MLflow, named the way MLflow's own tools name them."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from seatrial.bundle import write_directory_atomically
from seatrial.domain.errors import UnknownArtifactError, UnknownVersionError, UsageError
from seatrial.registry.mlflow_connection import MlflowConnection, absent_as

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = ["download"]

_MODELS = re.compile(r"models:/(?P<name>[^/@]+)(?:/(?P<selector>[^/]+)|@(?P<alias>[^/]+))?")
_RUNS = re.compile(r"runs:/(?P<run_id>[^/]+)/(?P<path>.+)")


def download(connection: MlflowConnection, uri: str, destination: Path) -> Path:
    """Copies what `uri` names to `destination`, and returns it.

    MLflow's own download takes ``models:/`` from the process-wide registry, which need not be this one, so that the
    place of the files is asked of the connection here.

    Args:
        connection: the way to MLflow.
        uri: ``models:/name/7``, ``models:/name/Production``, ``models:/name/latest``, ``models:/name@alias``,
            ``models:/m-<id>`` or ``runs:/<run>/<path>``.
        destination: becomes the directory, or holds the file, that is named; an earlier copy there is replaced.

    Raises:
        UsageError: the URI has another form.
        UnknownVersionError, UnknownArtifactError: there is nothing of that name.
        StorageFullError: no room; nothing is left behind.
    """
    models, runs = _MODELS.fullmatch(uri), _RUNS.fullmatch(uri.rstrip("/"))
    with connection.client() as client:
        if models:
            place = _of_model(client, uri, models)
        elif runs:
            place = _of_run(client, uri, runs["run_id"], runs["path"])
        else:
            raise UsageError(
                f"{uri!r} names no model: write models:/NAME/VERSION, models:/NAME@ALIAS or runs:/RUN/PATH."
            )
    directory, _, leaf = place.rstrip("/").rpartition("/")

    def fill(partial: Path) -> None:
        with connection.files(directory) as files:
            if leaf not in [PurePosixPath(entry.path).name for entry in files.list_artifacts("")]:
                raise UnknownArtifactError(f"{uri} has no files at {place}: check what was logged there.")
            fetched = Path(files.download_artifacts(leaf, dst_path=tempfile.mkdtemp(dir=partial)))
        for path in fetched.iterdir() if fetched.is_dir() else (fetched,):
            shutil.move(path, partial / path.name)
        shutil.rmtree(fetched.parent)

    write_directory_atomically(destination, fill)
    return destination


def _of_model(client: MlflowClient, uri: str, parts: re.Match[str]) -> str:
    """Where the files of ``models:/…`` are."""
    name, selector, alias = parts["name"], parts["selector"], parts["alias"]
    unknown = UnknownVersionError(f"MLflow has nothing of the name {uri}: seatrial models list shows what there is.")
    with absent_as(unknown, "INVALID_PARAMETER_VALUE"):  # what MLflow says of an alias or stage it does not know
        if alias:
            number = client.get_model_version_by_alias(name, alias).version
        elif not selector:
            return str(client.get_logged_model(name).artifact_location)
        elif selector.isdigit():
            number = selector
        else:
            latest = client.get_latest_versions(name, None if selector == "latest" else [selector])
            if not latest:
                raise unknown
            number = max(int(version.version) for version in latest)
        return str(client.get_model_version_download_uri(name, str(number)))


def _of_run(client: MlflowClient, uri: str, run_id: str, path: str) -> str:
    """Where the files of ``runs:/…`` are: MLflow 3 keeps logged models beside their runs, not below them."""
    with absent_as(UnknownArtifactError(f"MLflow has no run {run_id} ({uri}): check the id in its pages.")):
        run = client.get_run(run_id)
    name, _, rest = path.partition("/")
    if "'" not in name:
        for model in client.search_logged_models([run.info.experiment_id], filter_string=f"name = '{name}'"):
            if model.source_run_id == run_id:
                return f"{model.artifact_location}/{rest}".rstrip("/")
    return f"{run.info.artifact_uri}/{path}"
