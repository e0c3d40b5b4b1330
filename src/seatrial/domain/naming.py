"""How models and versions are named, by people and by the roles a version can have."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass

from seatrial.domain.errors import UsageError

__all__ = ["ALIASES", "Alias", "Stage", "VersionRef", "check_model_name"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_NUMBER = re.compile(r"[1-9][0-9]{0,17}")  # fits 64 bits, as every registry stores it


class Alias(enum.StrEnum):
    """The roles a version can have; at most one version of a model has each."""

    CANDIDATE = "candidate"
    STAGING = "staging"
    PRODUCTION = "production"
    PREVIOUS = "previous"


ALIASES: tuple[Alias, ...] = tuple(Alias)


class Stage(enum.StrEnum):
    """MLflow's stage field, kept in step with the aliases for people who read it."""

    NONE = "None"
    STAGING = "Staging"
    PRODUCTION = "Production"
    ARCHIVED = "Archived"


@dataclass(frozen=True, slots=True)
class VersionRef:
    """What a person types to name a version: ``name@7`` or ``name@production``; bare ``name`` means production.

    Example:
        >>> VersionRef.parse("bert-sentiment@7").selector
        7
        >>> VersionRef.parse("bert-sentiment").selector
        'production'
    """

    name: str
    selector: int | str

    @classmethod
    def parse(cls, text: str) -> VersionRef:
        """Reads ``MODEL@V``.

        Raises:
            UsageError: the name is impossible, or the selector is neither a positive number nor an alias.
        """
        name, at, selector = text.partition("@")
        check_model_name(name)
        if not at:
            return cls(name, Alias.PRODUCTION.value)
        if _NUMBER.fullmatch(selector):
            return cls(name, int(selector))
        if selector in ALIASES:
            return cls(name, selector)
        raise UsageError(
            f"{text!r} names no version: write {name}@NUMBER or {name}@ALIAS with one of {', '.join(Alias)}."
        )

    def __str__(self) -> str:
        return f"{self.name}@{self.selector}"


def check_model_name(name: str) -> str:
    """The name, if it can be a model's: letters, digits, dot, dash and underscore, at most 100.

    Raises:
        UsageError: it cannot.

    Example:
        >>> check_model_name("bert-sentiment")
        'bert-sentiment'
    """
    if not _NAME.fullmatch(name) or ".." in name:
        raise UsageError(
            f"{name!r} cannot be a model name: use letters, digits, '.', '-' and '_', at most 100, "
            "starting with a letter or digit."
        )
    return name
