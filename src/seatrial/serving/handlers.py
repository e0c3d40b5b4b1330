"""The door for people's own code: a class of theirs, named in the settings, served like any model.

::

    class Handler:
        labels = ("negative", "positive")   # or set in setup, when the model has been loaded

        def setup(self, directory: Path) -> None: ...      # once, with the project's directory: load the model
        def decode(self, text: str) -> Any: ...             # for each text: what predict takes
        def predict(self, inputs: list[Any]) -> Sequence[Any]: ...   # for each batch: one output an input, in order
        def encode(self, output: Any) -> Sequence[float]: ...        # for each output: one probability a label

`predict` is called from several threads at once, as many as `serving.sessions` says; `decode` from one of its own. To
refuse a text, `decode` raises ValueError with a sentence for the client. Any other exception is the handler's fault.
"""

from __future__ import annotations

import importlib
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from seatrial.domain.errors import ConfigError, InferenceError, InvalidRequestError, RequestError
from seatrial.domain.inference import EngineOutput, FloatArray, IntArray
from seatrial.domain.model import Artifact, ArtifactFormat, Layout, Precision
from seatrial.serving.variants import Variant

__all__ = ["HandlerVariant", "Objects", "OwnCode"]

ResultT = TypeVar("ResultT")

_SPEC = re.compile(r"(?P<module>[^\W\d]\w*(\.[^\W\d]\w*)*):(?P<name>[^\W\d]\w*)")
_METHODS = ("setup", "decode", "predict", "encode")
_SUM_TOLERANCE = 1e-3
_LEAST_PROBABILITY = 1e-30
"""Stands for 0, whose logarithm is not finite."""


@dataclass(frozen=True, slots=True, eq=False)
class Objects:
    """What `decode` made of the texts of a request or a batch; each counts as one token."""

    items: Sequence[Any]

    def __len__(self) -> int:
        return len(self.items)

    @property
    def tokens(self) -> int:
        """One for each text."""
        return len(self.items)

    @property
    def offsets(self) -> IntArray:
        """(texts + 1,) int64: texts before each, and all of them."""
        return np.arange(len(self.items) + 1)

    def slice(self, start: int, stop: int) -> Objects:
        """The texts `start` up to `stop`."""
        return Objects(self.items[start:stop])

    @classmethod
    def concatenate(cls, batches: Sequence[Objects]) -> Objects:
        """All texts of all parts, in order."""
        return cls([item for batch in batches for item in batch.items])


@dataclass(frozen=True, slots=True)
class OwnCode:
    """Where a handler is, and what it is served as.

    Attributes:
        spec: ``package.module:Class``; the caller puts the project's directory on ``sys.path``.
        directory: given to `setup`.
    """

    spec: str
    model: str
    directory: Path

    def load(self) -> Variant:
        """Imports the class, makes one, and lets it set itself up.

        Raises:
            ConfigError: there is no such class, it lacks a method, failed, or says no labels.
        """
        handler = self._construct()
        missing = [name for name in _METHODS if not callable(getattr(handler, name, None))]
        if missing:
            raise ConfigError(f"serving.handler: {self.spec} has no {' and no '.join(missing)}: write it.")
        try:
            handler.setup(self.directory)
        except Exception as error:  # people's own code may fail in any way: name it, keep the cause
            raise ConfigError(
                f"serving.handler: setup of {self.spec} failed with {type(error).__name__}: {error}. The fault is in "
                "that code."
            ) from error
        labels = tuple(map(str, getattr(handler, "labels", None) or ()))
        if len(set(labels)) < max(2, len(labels)):
            raise ConfigError(f"serving.handler: {self.spec} must have two or more different labels after setup.")
        calls = _Calls(self.spec, handler, len(labels))
        return HandlerVariant(self.model, "1", labels, calls, calls)

    def _construct(self) -> Any:
        match = _SPEC.fullmatch(self.spec)
        if match is None:
            raise ConfigError(f"serving.handler: {self.spec!r} names no class: write package.module:Class.")
        try:
            kind = getattr(importlib.import_module(match["module"]), match["name"], None)
            if kind is None:
                raise ConfigError(f"serving.handler: {match['module']} has no class {match['name']!r}.")
            return kind()
        except ConfigError:
            raise
        except ModuleNotFoundError as error:
            raise ConfigError(
                f"serving.handler: there is no module {error.name!r} in the project's directory or among the installed "
                "packages: correct the name, or install it."
            ) from error
        except Exception as error:  # people's own code may fail in any way: name it, keep the cause
            raise ConfigError(
                f"serving.handler: importing and making {self.spec} failed with {type(error).__name__}: {error}."
            ) from error


class HandlerVariant(Variant):
    """A handler as a variant: its calls stand in the places of tokenizer and engine."""

    __slots__ = ()

    def score(self, payload: Any, *, all_cores: bool = False) -> FloatArray:  # noqa: ARG002  a handler has one way only
        """Logarithms of the probabilities of one batch, (texts, labels) float32: softmax gives them back.

        Raises:
            InferenceError: the handler failed, or gave something else than one answer for each text.
        """
        calls = self.engine
        assert isinstance(calls, _Calls), "made by OwnCode.load"
        return calls.log_probabilities(payload.items)


class _Calls:
    """A handler's methods, guarded, in the forms of a tokenizer and of an engine."""

    inline_chars = 0  # decode may take any time, so never on the event loop
    max_tokens = 1
    token_ids = 0

    def __init__(self, spec: str, handler: Any, labels: int) -> None:
        self._spec = spec
        self._handler = handler
        self._labels = labels
        self.artifact = Artifact(spec, ArtifactFormat.PYTHON, Precision.FP32, Layout.PACKED, "")

    def effective_length(self, max_length: int) -> int:
        """Lengths are the handler's own business."""
        return max_length

    def encode(self, texts: Sequence[str], max_length: int) -> Objects:  # noqa: ARG002  see `effective_length`
        """What `decode` makes of each text."""
        items = []
        for index, text in enumerate(texts):
            try:
                items.append(self._call("decode", text))
            except ValueError as error:
                raise InvalidRequestError(f"texts[{index}] is refused: {error}") from None
        return Objects(items)

    def log_probabilities(self, items: Sequence[Any]) -> FloatArray:
        """(texts, labels) float32."""
        outputs = self._call("predict", list(items))
        try:
            found = len(outputs)
        except TypeError:
            found = 0
        if found != len(items):
            raise InferenceError(f"predict of {self._spec} gave {found} answers for {len(items)} inputs.")
        rows = [self._row(self._call("encode", output)) for output in outputs]
        return np.log(np.maximum(np.array(rows, np.float32), np.float32(_LEAST_PROBABILITY)))

    def infer(self, inputs: Mapping[str, IntArray]) -> EngineOutput:
        """A handler takes no tensors."""
        raise InferenceError(f"{self._spec} reads texts, not {sorted(inputs)}.")

    def close(self) -> None:
        """Lets the handler go; what it holds is given back with it."""
        self._handler = None

    def _row(self, probabilities: Sequence[float]) -> list[float]:
        try:
            row = [float(probability) for probability in probabilities]
        except (TypeError, ValueError):
            row = []
        # `not in range` rather than `out of range`: NaN is neither.
        fits = len(row) == self._labels and all(0 <= p <= 1 for p in row)
        if not fits or not math.isclose(sum(row), 1, abs_tol=_SUM_TOLERANCE):
            raise InferenceError(f"encode of {self._spec} must give {self._labels} probabilities that add up to 1.")
        return row

    def _call(self, method: str, argument: Any) -> Any:
        """Calls a method of the handler.

        Raises:
            ValueError: `decode` refused its text.
            InferenceError: anything else went wrong.
        """
        call: Callable[[Any], Any] = getattr(self._handler, method)
        try:
            return call(argument)
        except RequestError:
            raise
        except Exception as error:  # people's own code may fail in any way: name the kind, keep the cause
            if method == "decode" and isinstance(error, ValueError):
                raise
            raise InferenceError(
                f"{method} of {self._spec} failed with {type(error).__name__}: see the log."
            ) from error
