"""How long work says how far it is, without knowing who looks."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Protocol

__all__ = ["SILENT", "Progress", "SilentProgress", "Step"]


class Step(Protocol):
    """One piece of work in progress."""

    def advance(self, amount: int = 1, note: str = "") -> None:
        """`amount` more units are done; `note` is a short fact to show beside the bar, such as the loss."""
        ...


class Progress(Protocol):
    """Where steps report to: a bar on a terminal, plain lines in a log, nothing in a test."""

    def step(self, title: str, total: int | None = None) -> contextlib.AbstractContextManager[Step]:
        """Opens a piece of work of `total` units (None: unknown); leaving the block ends it."""
        ...


class _SilentStep:
    def advance(self, amount: int = 1, note: str = "") -> None:
        """Nobody looks."""


class SilentProgress:
    """Shows nothing."""

    @contextlib.contextmanager
    def step(self, title: str, total: int | None = None) -> Iterator[Step]:  # noqa: ARG002  the protocol's signature
        """A step nobody looks at."""
        yield _SilentStep()


SILENT: Progress = SilentProgress()
