"""The one way to MLflow: a client that fails soon, says little, calls nobody else, and raises Seatrial's errors."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import re
import threading
import warnings
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from seatrial.bundle import storage_errors
from seatrial.config import mask
from seatrial.domain.errors import (
    DependencyError,
    MissingExtraError,
    SeatrialError,
    StorageFullError,
    UnreachableError,
)
from seatrial.registry.mlflow_database import prepare_database

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException
    from mlflow.store.artifact.artifact_repo import ArtifactRepository
    from sqlalchemy.exc import SQLAlchemyError

__all__ = ["MlflowConnection", "absent_as", "translated"]

# Large files may take a server longer than its other answers; MLflow's own default is this long.
_TRANSFER_TIMEOUT_S = 120
# MLflow reads these when it is imported; a choice the user made already stays.
_PROCESS_VARIABLES = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false"}
# What MLflow and alembic log here is an error that is raised as well, or news of their own tables.
_LOGGERS = ("mlflow", "alembic")
_NO_ANSWER = frozenset({"BAD_REQUEST", "ENDPOINT_NOT_FOUND", "INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE"})
_FULL = re.compile(r"\[Errno (?:27|28|122)\]|database or disk is full", re.IGNORECASE)
_SYSTEM_REASON = re.compile(r"\[Errno -?\d+\] ([^'\")]+)")


class MlflowConnection:
    """A tracking store of MLflow, its registry included: a database or a server.

    Args:
        tracking_uri: ``sqlite:///path``, another database, or the URL of a server.
        artifact_uri: where a new database's experiments keep their files.
        timeout_s: how long to wait for a server's answer.
    """

    def __init__(self, tracking_uri: str, artifact_uri: str, timeout_s: float) -> None:
        self.tracking_uri = tracking_uri
        self._artifact_uri = artifact_uri
        self._timeout_s = timeout_s
        self._client: MlflowClient | None = None

    @contextlib.contextmanager
    def client(self) -> Iterator[MlflowClient]:
        """A client for questions and small writes; errors of MLflow in the block become Seatrial's.

        Raises:
            UnreachableError: no answer in time, or a database that cannot be used.
            StorageFullError: no room for what was to be written.
            DependencyError: MLflow refuses.
        """
        _import_mlflow()
        with _surroundings(_variables(self._timeout_s)), self._translating():
            if self._client is None:
                self._client = self._connected()
            yield self._client

    @contextlib.contextmanager
    def files(self, uri: str) -> Iterator[ArtifactRepository]:
        """The place of files that `uri` names, for transfers of any size; errors as with `client`."""
        _import_mlflow()
        with _surroundings(_variables(max(self._timeout_s, _TRANSFER_TIMEOUT_S))), self._translating():
            from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

            with storage_errors(f"store the files of {mask(uri)}"):
                yield get_artifact_repository(uri, tracking_uri=self.tracking_uri, registry_uri=self.tracking_uri)

    def _connected(self) -> MlflowClient:
        from mlflow import MlflowClient

        prepare_database(self.tracking_uri, self._artifact_uri, self._timeout_s)
        return MlflowClient(tracking_uri=self.tracking_uri, registry_uri=self.tracking_uri)

    @contextlib.contextmanager
    def _translating(self) -> Iterator[None]:
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        try:
            yield
        except (MlflowException, SQLAlchemyError, OSError) as error:
            raise translated(error, self.tracking_uri, self._timeout_s) from error


def translated(
    error: MlflowException | SQLAlchemyError | OSError, tracking_uri: str, timeout_s: float
) -> DependencyError:
    """What an error of MLflow, its database or the network means to Seatrial; secrets of URLs are hidden."""
    from mlflow.exceptions import RestException

    where, text = mask(tracking_uri), mask(error)
    if _FULL.search(text):
        return StorageFullError(
            f"No room for the files or the database of MLflow at {where}: free some space and run the command again."
        )
    answered = isinstance(error, RestException)
    code = getattr(error, "error_code", "INTERNAL_ERROR")
    if code == "TEMPORARILY_UNAVAILABLE" or (code in _NO_ANSWER and not answered):
        return UnreachableError(
            f"MLflow at {where} cannot be used: {_reason(text, timeout_s)}. "
            "Check that it runs, and that [registry] tracking_uri names it."
        )
    return DependencyError(f"MLflow at {where} refuses: {_reason(text, timeout_s)}. Correct that and try again.")


@contextlib.contextmanager
def absent_as(error: SeatrialError, *codes: str) -> Iterator[None]:
    """Raises `error` where MLflow says that what the block asks for does not exist, or answers with one of `codes`."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as cause:
        if cause.error_code in ("RESOURCE_DOES_NOT_EXIST", *codes):
            raise error from cause
        raise


def _reason(text: str, timeout_s: float) -> str:
    if "timed out" in text.lower():
        return f"no answer within {timeout_s:g} s"
    by_system = _SYSTEM_REASON.search(text)
    return by_system[1] if by_system else text.partition("\n")[0][:300].rstrip(". ")


def _variables(timeout_s: float) -> Mapping[str, str]:
    return {
        "MLFLOW_HTTP_REQUEST_TIMEOUT": str(math.ceil(timeout_s)),
        # Every call of the registry can be repeated as a whole; MLflow's own retries would take minutes to say no.
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    }


def _import_mlflow() -> None:
    for name, value in _PROCESS_VARIABLES.items():
        os.environ.setdefault(name, value)
    try:
        import mlflow  # noqa: F401  before anything else: it configures its loggers when it is imported
    except ModuleNotFoundError as error:
        raise MissingExtraError("mlflow", "registry") from error


class _Surroundings:
    """What MLflow takes from the process: environment, log levels, warning filters; set while any thread needs them.

    MLflow knows time-outs in no other way. The last thread to enter sets them; the last to leave restores what was.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._before = contextlib.ExitStack()

    @contextlib.contextmanager
    def __call__(self, variables: Mapping[str, str]) -> Iterator[None]:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._remember(variables)
            os.environ.update(variables)
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1
                if not self._inside:
                    self._before.close()

    def _remember(self, variables: Mapping[str, str]) -> None:
        for name in variables:
            self._before.callback(_set_variable, name, os.environ.get(name))
        for name in _LOGGERS:
            logger = logging.getLogger(name)
            self._before.callback(logger.setLevel, logger.level)
            logger.setLevel(logging.CRITICAL)
        self._before.enter_context(warnings.catch_warnings())
        # Of its own and SQLAlchemy's old functions, which it still calls.
        warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"(mlflow|alembic)\b")
        # People's scripts read the stages, so that Seatrial keeps them in step for as long as they exist.
        warnings.filterwarnings("ignore", ".*Model registry stages will be removed", FutureWarning)


def _set_variable(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value


_surroundings = _Surroundings()
