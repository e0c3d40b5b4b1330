"""Handlers for deployment tests: one that does as the rows of tests/trials.py say, and broken ones."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from tests.builders import BAD, GOOD, LABELS

_CERTAINTY = 0.9


class Right:
    """Counts words."""

    labels = LABELS

    def setup(self, directory: Path) -> None:
        pass

    def decode(self, text: str) -> str:
        return text

    def predict(self, texts: list[str]) -> list[float]:
        return [_CERTAINTY if self.is_good(text) else 1 - _CERTAINTY for text in texts]

    def is_good(self, text: str) -> bool:
        words = text.split()
        return sum(word in GOOD for word in words) > sum(word in BAD for word in words)

    def encode(self, output: float) -> Sequence[float]:
        return (1 - output, output)


class Swapped(Right):
    """Calls good what is bad."""

    def is_good(self, text: str) -> bool:
        return not super().is_good(text)


class Slow(Right):
    """Takes its time over each batch."""

    def predict(self, texts: list[str]) -> list[float]:
        time.sleep(0.05)
        return super().predict(texts)


class Cold(Right):
    """Needs a while before its first answer, and does not need it again."""

    warm = False

    def predict(self, texts: list[str]) -> list[float]:
        if not self.warm:
            time.sleep(0.5)
        self.warm = True
        return super().predict(texts)


class Leaky(Right):
    """Remembers every request."""

    def setup(self, directory: Path) -> None:
        self.kept: list[bytearray] = []

    def predict(self, texts: list[str]) -> list[float]:
        self.kept.append(bytearray(b"x" * 200_000 * len(texts)))
        return super().predict(texts)


class Failing(Right):
    """Fails on every other batch."""

    calls = 0

    def predict(self, texts: list[str]) -> list[float]:
        self.calls += 1
        if self.calls % 2:
            raise RuntimeError("a fault")
        return super().predict(texts)


class Steady(Right):
    """Does so much and no more."""

    def predict(self, texts: list[str]) -> list[float]:
        time.sleep(0.002 * len(texts))
        return super().predict(texts)
