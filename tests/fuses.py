"""Sudden ends: objects before each of whose calls the process may be killed."""

from __future__ import annotations

from typing import Any

__all__ = ["Fuse", "Fused", "Killed"]


class Killed(BaseException):
    """The process is gone: nothing but the caller of the whole flow may catch it."""


class Fuse:
    """Kills at the call of a number; without one it only counts."""

    def __init__(self, kills_at: int | None = None) -> None:
        self.kills_at = kills_at
        self.calls = 0

    def __call__(self) -> None:
        self.calls += 1
        if self.calls == self.kills_at:
            raise Killed


class Fused:
    """An object before each of whose calls the process may be killed."""

    def __init__(self, inner: Any, fuse: Fuse) -> None:
        self._inner = inner
        self._fuse = fuse

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not callable(found):
            return found

        def call(*arguments: Any, **named: Any) -> Any:
            self._fuse()
            return found(*arguments, **named)

        return call
