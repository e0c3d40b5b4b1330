"""A figure that was measured, beside what is demanded of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Shown:
    """One figure, what is demanded of it, and whether it is met."""

    target: str
    what: str
    value: str
    limit: str
    met: bool
