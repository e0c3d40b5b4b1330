"""The door for people's own trainers: a function of theirs, named in the settings.

The function is called as ``train(dataset, work_dir, settings, progress)`` with a `Dataset`, a `Path`, the
`TrainingSettings` and a `Progress`, and returns the directory of the finished model, in any layout that `adopt` takes,
or a `TrainedModel` that names its metrics and parameters too. Its labels must be those of the dataset, in their order.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from seatrial.bundle import file_sha256
from seatrial.config import TrainingSettings
from seatrial.domain.dataset import Dataset
from seatrial.domain.errors import ConfigError, SeatrialError, TrainingError, UnsupportedModelError, UsageError
from seatrial.domain.progress import SILENT, Progress
from seatrial.training.recognition import read_model
from seatrial.training.trained_model import Declared, TrainedModel

__all__ = ["EntryPoint"]

_SPEC = re.compile(r"(?P<module>[^\W\d]\w*(\.[^\W\d]\w*)*):(?P<function>[^\W\d]\w*)")
_CALL = "it is called as train(dataset, work_dir, settings, progress)"


class EntryPoint:
    """A trainer that calls the function named by ``settings.entry_point``.

    The module must be importable: the caller puts the project's directory on ``sys.path``.

    Raises:
        ConfigError: the setting is not written ``package.module:function``.
    """

    def __init__(self, settings: TrainingSettings) -> None:
        match = _SPEC.fullmatch(settings.entry_point)
        if match is None:
            raise ConfigError(
                f"training.entry_point: {settings.entry_point!r} names no function: write package.module:function."
            )
        self.settings = settings
        self._module, self._function = match["module"], match["function"]

    @property
    def code_revision(self) -> str:
        """The entry point and the digest of its module's file; what that imports is not in it.

        Raises:
            ConfigError: there is no such module.
        """
        try:
            spec = importlib.util.find_spec(self._module)
        except ModuleNotFoundError:
            spec = None
        if spec is None:
            raise self._absent()
        path = Path(spec.origin or "")
        digest = file_sha256(path)[:12] if path.is_file() else "no file"
        return f"{self.settings.entry_point} ({digest})"

    def train(self, dataset: Dataset, work_dir: Path, progress: Progress = SILENT) -> TrainedModel:
        """Calls the function and checks what it made.

        Raises:
            ConfigError: there is no such module or function, or it cannot be called as documented.
            TrainingError: the function failed, or what it returned is no model for the dataset.
        """
        function = self._load()
        try:
            result = function(dataset, work_dir, self.settings, progress)
        except SeatrialError:
            raise
        except Exception as error:  # people's own code may fail in any way: name it, keep the cause
            raise TrainingError(
                f"{self.settings.entry_point} failed with {type(error).__name__}: {error}. The fault is in that code."
            ) from error
        return self._checked(result, dataset, work_dir)

    def _load(self) -> Callable[..., object]:
        try:
            module = importlib.import_module(self._module)
        except ModuleNotFoundError as error:
            if error.name and f"{self._module}.".startswith(f"{error.name}."):
                raise self._absent() from error
            raise ConfigError(
                f"training.entry_point: {self._module} imports {error.name}, which is not installed: install it."
            ) from error
        except Exception as error:  # people's own code may fail in any way: name it, keep the cause
            raise ConfigError(
                f"training.entry_point: importing {self._module} failed with {type(error).__name__}: {error}."
            ) from error
        function = getattr(module, self._function, None)
        if not callable(function):
            raise ConfigError(f"training.entry_point: {self._module} has no function {self._function!r}.")
        try:
            inspect.signature(function).bind("dataset", "work_dir", "settings", "progress")
        except TypeError as error:
            raise ConfigError(f"training.entry_point: {self.settings.entry_point} does not fit: {_CALL}.") from error
        return function  # type: ignore[no-any-return]  # callable() does not narrow Any

    def _absent(self) -> ConfigError:
        return ConfigError(
            f"training.entry_point: there is no module {self._module!r} in the project's directory or among the "
            "installed packages."
        )

    def _checked(self, result: object, dataset: Dataset, work_dir: Path) -> TrainedModel:
        name, target = self.settings.entry_point, work_dir / ".seatrial-checked"
        if not isinstance(result, str | Path | TrainedModel):
            raise TrainingError(
                f"{name} returned {type(result).__name__}: return the model's directory, or a TrainedModel."
            )
        try:
            if not isinstance(result, TrainedModel):
                return read_model(Path(result), Declared(dataset.labels), target)
            if tuple(result.labels) != dataset.labels:
                raise UsageError(f"its labels are {list(result.labels)}, those of the dataset {list(dataset.labels)}")
            read = read_model(result.directory, Declared(dataset.labels, result.max_tokens), target)
        except (UsageError, UnsupportedModelError) as error:
            raise TrainingError(f"{name} returned a model that cannot be used: {error}") from error
        parameters = {str(key): str(value) for key, value in result.parameters.items()}
        return replace(read, metrics=_metrics(name, result.metrics), parameters=parameters)


def _metrics(name: str, stated: Mapping[Any, Any]) -> dict[str, float]:
    metrics = {}
    for key, value in stated.items():
        try:
            metrics[str(key)] = float(value)
        except (TypeError, ValueError):
            metrics[str(key)] = math.nan
        if not math.isfinite(metrics[str(key)]):
            raise TrainingError(f"{name} returned {value!r} as metric {key!r}: metrics are finite numbers.")
    return metrics
