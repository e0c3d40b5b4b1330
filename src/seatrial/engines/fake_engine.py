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
        layout: of the batches it takes; its answers are the same in each.

    Attributes:
        calls: (texts, longest) of each call, in the order they began.

    Example:
        >>> ids = np.array([[5, 6], [7, 0]]); mask = np.array([[1, 1], [1, 0]])
        >>> FakeEngine().infer({"input_ids": ids, "attention_mask": mask}).logits.shape
        (2, 2)
    """

    def __init__(
        self,
        labels: int = 2,
        script: Callable[[int], float] = lambda _call: 0.0,
        layout: Layout = Layout.PADDED,
    ) -> None:
        super().__init__(Artifact("fake", ArtifactFormat.ONNX, Precision.FP32, layout, "0" * 64), labels, script)
        self._numbers = itertools.count()
        self.calls: list[tuple[int, int]] = []

    def _forward(self, runtime: Callable[[int], float], inputs: Mapping[str, IntArray]) -> EngineOutput:
        if self.artifact.layout is Layout.PACKED:
            ids, lengths = inputs["input_ids"], np.diff(inputs["first_tokens"], append=len(inputs["input_ids"]))
        else:
            ids = inputs["input_ids"][inputs["attention_mask"] == 1]
            lengths = inputs["attention_mask"].sum(axis=1)
        self.calls.append((len(lengths), int(lengths.max())))
        offset = runtime(next(self._numbers))
        waves = np.sin(ids[:, None] * np.arange(1, self._labels + 1))  # (tokens, labels)
        sums = np.zeros((len(lengths), self._labels))
        np.add.at(sums, np.arange(len(lengths)).repeat(lengths), waves)
        return EngineOutput((sums / lengths[:, None].clip(1) + offset).astype(np.float32))
