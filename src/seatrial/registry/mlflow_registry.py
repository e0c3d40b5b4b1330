"""Versions, aliases and stages in MLflow: a database on this machine, another database, or a tracking server."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from seatrial.domain.errors import (
    UnknownModelError,
    UnknownVersionError,
    UnsupportedModelError,
    UsageError,
)
from seatrial.domain.model import Alias, Lineage, ModelVersion, Signature, Stage, check_model_name
from seatrial.registry.admission import check_destination, check_key, open_artifact, open_source
from seatrial.registry.mlflow_bundles import StoredBundles
from seatrial.registry.mlflow_connection import MlflowConnection, absent_as
from seatrial.registry.mlflow_download import download
from seatrial.registry.mlflow_registration import (
    MODEL_TAG,
    SIGNATURE_TAG,
    Experiment,
    Registration,
    all_versions,
)
from seatrial.registry.stages import stage_moves

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion as MlflowVersion
    from mlflow.entities.model_registry import RegisteredModel

__all__ = ["MlflowRegistry"]

# How servers say that they know no stages: the route is gone, switched off, or was never there.
_NO_STAGES = frozenset({"ENDPOINT_NOT_FOUND", "FEATURE_DISABLED", "NOT_IMPLEMENTED"})


class MlflowRegistry:
    """Implements `ModelRegistry` in MLflow; versions that other tools registered there are left alone.

    Nothing is asked of MLflow, and it is not imported, before the first call.

    Args:
        tracking_uri: ``sqlite:///path``, another database, or the URL of a tracking server.
        artifact_uri: where a new experiment keeps its files; empty leaves that to a server.
        experiment: name of the MLflow experiment for the runs, one run for each version.
        timeout_s: how long to wait for a server before calling it unreachable.

    Raises:
        UsageError: a database without an `artifact_uri`: MLflow would write into the working directory.
    """

    def __init__(self, tracking_uri: str, artifact_uri: str, experiment: str, timeout_s: float) -> None:
        if not artifact_uri and not tracking_uri.startswith(("http://", "https://")):
            raise UsageError("A registry in a database needs a place for files: set [registry] artifact_uri.")
        self._experiment = Experiment(experiment, artifact_uri)
        self._connection = MlflowConnection(tracking_uri, artifact_uri, timeout_s)

    def create_version(self, name: str, signature: Signature, lineage: Lineage, source: Path) -> ModelVersion:
        """Stores a new version with its source bundle; the same lineage key gives the same version.

        Killed half way and called again, it completes the same version: no duplicate, no orphan.

        Raises:
            BundleError: the source is not whole.
            UsageError: the key or name is impossible, or the source does not fit them.
            StorageFullError: no room; there is no new version.
            UnreachableError: MLflow does not answer.
        """
        check_key(lineage)
        bundle = open_source(name, signature, source)
        registration = Registration(self._connection, self._experiment, name, lineage, signature, bundle)
        return _signed(registration.complete())

    def add_bundle(self, version: ModelVersion, directory: Path) -> str:
        """Stores one more bundle of a version, in place of one of that name; returns its URI.

        Raises:
            BundleError: the bundle is not whole.
            UsageError: it is of another model, version or signature.
            StorageFullError: no room; run the call again to complete it.
        """
        bundle = open_artifact(version, directory)
        return StoredBundles(self._connection, self.source_uri(version)).add(bundle)

    def fetch_bundle(self, version: ModelVersion, artifact: str, destination: Path) -> Path:
        """Copies a stored bundle to `destination`, which then is the bundle, and returns it.

        Raises:
            UnknownArtifactError: the version has no such bundle.
            UsageError: `destination` holds something else than a bundle.
            BundleError: what is stored is not whole.
            StorageFullError: no room; nothing is left behind.
        """
        check_destination(destination)
        return StoredBundles(self._connection, self.source_uri(version)).fetch(artifact, destination)

    def get_version(self, name: str, version: int) -> ModelVersion:
        """The version as it was registered.

        Raises:
            UnknownModelError, UnknownVersionError: there is none.
            UnsupportedModelError: another tool registered it.
        """
        with self._connection.client() as client:
            return _signed(_stored(client, name, version))

    def list_models(self) -> Sequence[str]:
        """Names of all models that have or had a version registered by Seatrial, sorted."""
        names: list[str] = []
        token = None
        with self._connection.client() as client:
            while True:
                page = client.search_registered_models(page_token=token)
                names += [model.name for model in page if MODEL_TAG in model.tags]
                token = page.token
                if not token:
                    return sorted(names)

    def list_versions(self, name: str) -> Sequence[ModelVersion]:
        """All versions that Seatrial registered, oldest first. Raises UnknownModelError."""
        with self._connection.client() as client:
            _model(client, name)
            stored = [version for version in all_versions(client, name) if SIGNATURE_TAG in version.tags]
            return sorted(map(_signed, stored), key=lambda version: version.version)

    def source_uri(self, version: ModelVersion) -> str:
        """Where the version's bundles are, as MLflow names it. Raises UnknownModelError or UnknownVersionError."""
        with self._connection.client() as client:
            stored = _stored(client, version.name, version.version)
            if str(stored.source).startswith("models:/"):  # a copy that was made with MLflow: the files lie elsewhere
                return str(client.get_model_version_download_uri(version.name, str(version.version)))
            return str(stored.source)

    def set_alias(self, name: str, alias: Alias, version: int) -> None:
        """Points the alias at the version, and moves the stage field along where there is one.

        Raises:
            UnknownModelError, UnknownVersionError: there is no such version.
        """
        with self._connection.client() as client:
            aliases, stages = _aliases(_model(client, name)), _stages(all_versions(client, name))
            if version not in stages:
                raise _unknown_version(name, version)
            # The alias goes last: until it does, a repeated call still knows who had it.
            _move_stages(client, name, stage_moves(alias, version, aliases, stages))
            if aliases.get(alias) != version:
                client.set_registered_model_alias(name, alias.value, str(version))

    def delete_alias(self, name: str, alias: Alias) -> None:
        """Removes the alias and moves the stage field along; no error when it is not set. Raises UnknownModelError."""
        with self._connection.client() as client:
            aliases, stages = _aliases(_model(client, name)), _stages(all_versions(client, name))
            _move_stages(client, name, stage_moves(alias, None, aliases, stages))
            if alias in aliases:
                client.delete_registered_model_alias(name, alias.value)

    def aliases(self, name: str) -> Mapping[Alias, int]:
        """Seatrial's aliases as MLflow holds them now. Raises UnknownModelError."""
        with self._connection.client() as client:
            return _aliases(_model(client, name))

    def stages(self, name: str) -> Mapping[int, Stage]:
        """The stage of every version as MLflow holds it now; empty on servers without stages.

        Raises:
            UnknownModelError: there is no such model.
        """
        with self._connection.client() as client:
            _model(client, name)
            return _stages(all_versions(client, name)) if _knows_stages(client, name) else {}

    def set_tag(self, name: str, key: str, value: str) -> None:
        """Sets a tag on the model. Raises UnknownModelError."""
        with self._connection.client() as client, absent_as(_unknown_model(name)):
            client.set_registered_model_tag(check_model_name(name), key, value)

    def tags(self, name: str) -> Mapping[str, str]:
        """All tags of the model. Raises UnknownModelError."""
        with self._connection.client() as client:
            return dict(_model(client, name).tags)

    def download_model(self, uri: str, destination: Path) -> Path:
        """Copies a model that was logged with other tools to `destination`; see `mlflow_download.download`."""
        return download(self._connection, uri, destination)


def _model(client: MlflowClient, name: str) -> RegisteredModel:
    with absent_as(_unknown_model(name)):
        return client.get_registered_model(check_model_name(name))


def _stored(client: MlflowClient, name: str, version: int) -> MlflowVersion:
    """The version, whoever registered it."""
    if not 1 <= version < 2**63:
        raise _unknown_version(name, version)
    try:
        with absent_as(_unknown_version(name, version)):
            return client.get_model_version(check_model_name(name), str(version))
    except UnknownVersionError:
        _model(client, name)  # to say so if the model is what is missing
        raise


def _signed(stored: MlflowVersion) -> ModelVersion:
    tag = stored.tags.get(SIGNATURE_TAG)
    advice = f"register it with seatrial register --from models:/{stored.name}/{stored.version}."
    if tag is None:
        raise UnsupportedModelError(
            f"{stored.name}@{stored.version} was registered in MLflow by another tool, without its labels: {advice}"
        )
    try:
        signature = Signature.from_json(json.loads(tag))
    except (KeyError, TypeError, ValueError, UsageError) as error:
        raise UnsupportedModelError(
            f"The tag {SIGNATURE_TAG} of {stored.name}@{stored.version} was altered: {advice}"
        ) from error
    return ModelVersion(stored.name, int(stored.version), signature)


def _aliases(model: RegisteredModel) -> dict[Alias, int]:
    return {alias: int(model.aliases[alias.value]) for alias in Alias if alias.value in model.aliases}


def _stages(versions: Iterable[MlflowVersion]) -> dict[int, Stage]:
    return {int(version.version): Stage(version.current_stage or Stage.NONE) for version in versions}


def _knows_stages(client: MlflowClient, name: str) -> bool:
    from mlflow.exceptions import MlflowException

    try:
        client.get_latest_versions(name, [Stage.PRODUCTION.value])
    except MlflowException as error:
        if error.error_code in _NO_STAGES:
            return False
        raise
    return True


def _move_stages(client: MlflowClient, name: str, moves: Mapping[int, Stage]) -> None:
    from mlflow.exceptions import MlflowException

    try:
        for version, stage in moves.items():
            client.transition_model_version_stage(name, str(version), stage.value)
    except MlflowException as error:
        if error.error_code not in _NO_STAGES:  # a server without stages has the aliases alone
            raise


def _unknown_model(name: str) -> UnknownModelError:
    return UnknownModelError(f"There is no model {name!r} in MLflow: register it with seatrial train or register.")


def _unknown_version(name: str, version: int) -> UnknownVersionError:
    return UnknownVersionError(f"{name} has no version {version}: seatrial models list shows which it has.")
