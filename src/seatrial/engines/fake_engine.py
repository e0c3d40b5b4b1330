"""A deterministic engine without a model, whose failures are scripted: what tests use in place of mocks."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping

import numpy as np

from seatrial.domain.inference import EngineOutput, IntArray
from seatrial.domain.model import Artifact, ArtifactFormat, Layout, Precision
from seatrial.engines.base import Engine

__all__ = ["FakeEngine"]


class FakeEngine(Engine):
    """Logits that depend on nothing but each text's own tokens.

    Args:
        labels: how many columns the logits have.
        script: called with the number of each call, from 0, before it answers. What it returns is added to the
            logits (NaN poisons them), what it raises is the runtime's failure, and while it waits the engine is busy.

    Attributes:
        calls: (texts, longest) of each call, in the order they began.

    Example:
        >>> ids = np.array([[5, 6], [7, 0]]); mask = np.array([[1, 1], [1, 0]])
        >>> FakeEngine().infer({"input_ids": ids, "attention_mask": mask}).logits.shape
        (2, 2)
    """

    def __init__(self, labels: int = 2, script: Callable[[int], float] = lambda _call: 0.0) -> None:
        super().__init__(Artifact("fake", ArtifactFormat.ONNX, Precision.FP32, Layout.PADDED, "0" * 64), labels, script)
        self._numbers = itertools.count()
        self.calls: list[tuple[int, int]] = []

    def _forward(self, runtime: Callable[[int], float], inputs: Mapping[str, IntArray]) -> EngineOutput:
        ids, mask = inputs["input_ids"], inputs["attention_mask"]
        texts, longest = ids.shape
        self.calls.append((texts, longest))
        offset = runtime(next(self._numbers))
        waves = np.sin(ids[:, :, None] * np.arange(1, self._labels + 1))  # (texts, longest, labels)
        logits = (waves * mask[:, :, None]).sum(axis=1) / mask.sum(axis=1, keepdims=True).clip(1) + offset
        return EngineOutput(logits.astype(np.float32))
