"""What every engine does around its forward pass, so that all of them fail alike."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import Any

import numpy as np

from seatrial.domain.errors import InferenceError, UnsupportedModelError
from seatrial.domain.inference import EngineOutput, IntArray, TokenBatch
from seatrial.domain.model import Artifact
from seatrial.text.layout import AXES, lay_out

__all__ = ["Engine"]


class Engine(abc.ABC):
    """A loaded artifact; a subclass gives the forward pass, this class checks what goes in and what comes out.

    Args:
        artifact: what was loaded.
        labels: how many columns the logits must have.
        runtime: what the library loaded; None means closed.
    """

    def __init__(self, artifact: Artifact, labels: int, runtime: Any) -> None:
        self._artifact = artifact
        self._labels = labels
        self._runtime = runtime

    @property
    def artifact(self) -> Artifact:
        """The artifact that was loaded."""
        return self._artifact

    def infer(self, inputs: Mapping[str, IntArray]) -> EngineOutput:
        """Runs one laid-out batch.

        Args:
            inputs: the tensors of ``text.layout.lay_out`` for the layout of the artifact, int64 each.

        Raises:
            InferenceError: the engine is closed, the inputs are not what the artifact takes, the runtime failed, or
                its answer is not finite.
        """
        texts = self._check_inputs(inputs)
        output = self._run(inputs)
        if len(output.logits) != texts:
            raise InferenceError(f"{self._artifact.name} answered {len(output.logits)} rows for {texts} texts.")
        if not np.isfinite(output.logits).all():
            raise InferenceError(
                f"{self._artifact.name} answered logits that are not finite: test the version with seatrial test."
            )
        return output

    def close(self) -> None:
        """Gives memory back once running calls have ended; closing twice is allowed."""
        self._runtime = None

    @abc.abstractmethod
    def _forward(self, runtime: Any, inputs: Mapping[str, IntArray]) -> EngineOutput:
        """Logits (texts, labels) float32 of inputs that have been checked; may raise anything."""

    def _require_labels(self, where: str) -> None:
        """Runs two short texts, so that a graph of another shape is refused at load and not by a customer.

        Raises:
            UnsupportedModelError: the artifact cannot run a batch, or has another number of logits columns.
        """
        try:
            logits = self._run(lay_out(TokenBatch.from_rows([[0], [0, 0]]), self._artifact.layout)).logits
        except InferenceError as error:
            raise UnsupportedModelError(f"{where} cannot run two short texts: {error}") from error
        if logits.shape != (2, self._labels):
            raise UnsupportedModelError(
                f"{where} answers logits of shape {logits.shape} for two texts, its signature has {self._labels} "
                "labels: convert or register the version again with the labels it was trained on."
            )

    def _run(self, inputs: Mapping[str, IntArray]) -> EngineOutput:
        runtime = self._runtime  # held here, so that closing in another thread takes nothing from under this call
        if runtime is None:
            raise InferenceError(f"{self._artifact.name} is closed: load the version again.")
        try:
            return self._forward(runtime, inputs)
        except InferenceError:
            raise
        except Exception as error:  # runtimes raise exceptions of many unrelated classes
            raise InferenceError(f"{self._artifact.name} failed: {_first_line(error)}") from error

    def _check_inputs(self, inputs: Mapping[str, IntArray]) -> int:
        """How many texts the inputs hold."""
        axes = AXES[self._artifact.layout]
        if inputs.keys() != axes.keys():
            raise InferenceError(f"{self._artifact.name} takes {sorted(axes)}, not {sorted(inputs)}.")
        sizes: dict[str, int] = {}
        for name, tensor in inputs.items():
            if tensor.dtype != np.int64:
                raise InferenceError(f"{self._artifact.name} takes {name} as int64, not {tensor.dtype}.")
            known = tuple(map(sizes.setdefault, axes[name], tensor.shape))
            if tensor.ndim != len(axes[name]) or known != tensor.shape or 0 in known:
                shapes = {name: tensor.shape for name, tensor in inputs.items()}
                raise InferenceError(f"{self._artifact.name} takes shapes that agree, {dict(axes)}, not {shapes}.")
        return sizes["texts"]


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__
