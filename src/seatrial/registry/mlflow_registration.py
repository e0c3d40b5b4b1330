"""Registering a version in MLflow, in steps that each find what a killed attempt left and go on from there."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seatrial.bundle import Bundle
from seatrial.domain.errors import ConfigError
from seatrial.domain.model import Lineage, Signature
from seatrial.registry.mlflow_bundles import StoredBundles
from seatrial.registry.mlflow_connection import MlflowConnection

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run
    from mlflow.entities.model_registry import ModelVersion as MlflowVersion

__all__ = ["KEY_TAG", "MODEL_TAG", "SIGNATURE_TAG", "Experiment", "Registration", "all_versions"]

SIGNATURE_TAG = "seatrial.signature"
"""Tag of a version Seatrial registered: its signature as JSON."""
KEY_TAG = "seatrial.key"
"""Tag of a version and of its run: the lineage's key."""
MODEL_TAG = "seatrial.model"
"""Tag of a run and of a registered model: the model's name."""

_BUNDLES = "bundles"
_PAGE = 1000
# How MLflow says that somebody else was there before: error codes.
_EXISTS = "RESOURCE_ALREADY_EXISTS"
_ABSENT = "RESOURCE_DOES_NOT_EXIST"
_NOT_ACTIVE = "INVALID_PARAMETER_VALUE"  # of a run that is deleted already
# Limits of MLflow 3 (mlflow/utils/validation.py): parameters in one request, their length, what names may hold.
_BATCH = 100
_VALUE_CHARS = 6000
_NAME_CHARS = 250
_NOT_IN_NAMES = re.compile(r"[^\w.\- ]")


@dataclass(frozen=True, slots=True)
class Experiment:
    """The MLflow experiment that holds the runs, one for each version.

    Attributes:
        artifact_uri: where it keeps files if it has to be created; empty leaves that to the server.
    """

    name: str
    artifact_uri: str

    def find_or_create(self, client: MlflowClient) -> str:
        """Its id.

        Raises:
            ConfigError: somebody deleted it.
        """
        found = client.get_experiment_by_name(self.name)
        if found is None:
            created = _unless(_EXISTS, client.create_experiment, self.name, self.artifact_uri or None)
            if created is not None:
                return str(created)
            found = client.get_experiment_by_name(self.name)
        if found.lifecycle_stage != "active":
            raise ConfigError(
                f"The MLflow experiment {self.name!r} was deleted: restore it with mlflow experiments restore -x "
                f"{found.experiment_id}, or name another in [registry] experiment."
            )
        return str(found.experiment_id)


@dataclass(frozen=True, slots=True)
class Registration:
    """One version to be registered: `complete` does it, as often as it is called.

    A version appears in MLflow in one step, when everything it needs is stored. MLflow has no unique keys, so two
    processes that register the same key at once make two versions: each then returns the first and deletes the other.
    """

    connection: MlflowConnection
    experiment: Experiment
    name: str
    lineage: Lineage
    signature: Signature
    source: Bundle

    def complete(self) -> MlflowVersion:
        """Registers the version unless it is there already, and returns it."""
        with self.connection.client() as client:
            settled = self._settled(client)
            if settled is not None:
                return settled
            run = self._find_or_start_run(client)
            self._describe(client, run)
        bundles = StoredBundles(self.connection, f"{run.info.artifact_uri}/{_BUNDLES}")
        bundles.add(self.source)
        with self.connection.client() as client:
            self._create_version(client, run, bundles.uri)
            settled = self._settled(client)
        assert settled is not None, "the version was just made"
        return settled

    def _settled(self, client: MlflowClient) -> MlflowVersion | None:
        """The one version with the key, its run finished; None where there is none."""
        same = [v for v in all_versions(client, self.name) if v.tags.get(KEY_TAG) == self.lineage.key]
        if not same:
            return None
        first, *later = sorted(same, key=lambda version: int(version.version))
        if later:
            self._remove(client, first, later)
        if client.get_run(first.run_id).info.status != "FINISHED":
            client.set_terminated(first.run_id)
        return first

    def _remove(self, client: MlflowClient, first: MlflowVersion, later: list[MlflowVersion]) -> None:
        """Deletes the versions nobody was told of; a copy that somebody made and uses stays."""
        used = {int(number) for number in client.get_registered_model(self.name).aliases.values()}
        for version in later:
            if int(version.version) in used or version.current_stage not in (None, "", "None"):
                continue
            _unless(_ABSENT, client.delete_model_version, self.name, str(version.version))
            if version.run_id != first.run_id:
                _unless(_NOT_ACTIVE, client.delete_run, version.run_id)

    def _find_or_start_run(self, client: MlflowClient) -> Run:
        """The run of an earlier attempt, else a new one."""
        tags = {KEY_TAG: self.lineage.key, MODEL_TAG: self.name}
        experiment_id = self.experiment.find_or_create(client)
        started = client.search_runs(
            [experiment_id],
            " and ".join(f"tags.`{tag}` = '{value}'" for tag, value in tags.items()),
            max_results=1,
            order_by=["attributes.start_time ASC"],
        )
        if started:
            return started[0]
        tags |= {
            "seatrial.origin": self.lineage.origin,
            "seatrial.data_sha256": self.lineage.data_sha256 or "",
            "seatrial.code_revision": self.lineage.code_revision,
        }
        return client.create_run(experiment_id, tags=tags, run_name=f"{self.name}-{self.lineage.key[:12]}")

    def _describe(self, client: MlflowClient, run: Run) -> None:
        """Logs the lineage: what MLflow can show as parameters and metrics, and all of it as a file."""
        from mlflow.entities import Metric, Param

        params = {_name(key): str(value)[:_VALUE_CHARS] for key, value in self.lineage.parameters.items()}
        metrics = {_name(key): float(value) for key, value in self.lineage.metrics.items()}
        # Parameters cannot be logged twice with another value, and metrics would get a second point.
        new_params = [Param(key, value) for key, value in params.items() if key not in run.data.params]
        new_metrics = [
            Metric(key, value, run.info.start_time, 0) for key, value in metrics.items() if key not in run.data.metrics
        ]
        for some_params, some_metrics in itertools.zip_longest(_batches(new_params), _batches(new_metrics)):
            client.log_batch(run.info.run_id, params=some_params or (), metrics=some_metrics or (), synchronous=True)
        client.log_text(run.info.run_id, json.dumps(self.lineage.to_json(), indent=1), "lineage.json")

    def _create_version(self, client: MlflowClient, run: Run, source: str) -> None:
        tags = {MODEL_TAG: self.name}
        if _unless(_EXISTS, client.create_registered_model, self.name, tags) is None:
            client.set_registered_model_tag(self.name, MODEL_TAG, self.name)  # another tool may have made the model
        client.create_model_version(
            self.name,
            source,
            run.info.run_id,  # a server takes a local source only with the run it belongs to
            tags={KEY_TAG: self.lineage.key, SIGNATURE_TAG: json.dumps(self.signature.to_json())},
            await_creation_for=0,
        )


def all_versions(client: MlflowClient, name: str) -> list[MlflowVersion]:
    """Every version of the model, whoever made it; none where there is no such model."""
    versions: list[MlflowVersion] = []
    token = None
    while True:
        page = client.search_model_versions(f"name = '{name}'", max_results=_PAGE, page_token=token)
        versions += page
        token = page.token
        if not token:
            return versions


def _unless(code: str, call: Callable[..., Any], *arguments: Any) -> Any:
    """What `call` returns; None where MLflow answers with `code`: another process was faster."""
    from mlflow.exceptions import MlflowException

    try:
        return call(*arguments)
    except MlflowException as error:
        if error.error_code == code:
            return None
        raise


def _name(key: str) -> str:
    """The key as MLflow accepts it for a parameter or metric; lineage.json has it in full."""
    return _NOT_IN_NAMES.sub("_", key)[:_NAME_CHARS].strip(". ") or "_"


def _batches(items: list[Any]) -> Iterator[list[Any]]:
    return (items[start : start + _BATCH] for start in range(0, len(items), _BATCH))
