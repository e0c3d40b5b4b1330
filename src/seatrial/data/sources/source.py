"""What every source of rows gives: raw rows with their places, and the facts about where they are from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Protocol

__all__ = ["DataSource", "RawRow", "SourceFacts"]


@dataclass(frozen=True, slots=True)
class RawRow:
    """One row as the source has it: nothing is checked yet, and a value may be of any type.

    Attributes:
        place: where a person finds the row, such as ``line 17``; named in errors.
        group: rows of one group stay on one side of the split. None: the row is its own group; an empty value: the
            source has groups and this row's is missing.
        id: stable identity; empty where the source has none, then the text is the identity.
    """

    place: str
    text: object
    label: object
    group: object = None
    domain: object = ""
    id: str = ""


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """What the data card says about a source.

    Attributes:
        origin: where the bytes came from, with no secrets in it.
        sha256: digest of the file the rows were read from.
        caveats: what a reader of figures made with these rows should know.
    """

    name: str
    description: str
    origin: str
    sha256: str
    licence: str = "not stated"
    citation: str = ""
    caveats: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dictionary."""
        return {**asdict(self), "caveats": list(self.caveats)}


class DataSource(Protocol):
    """A place labelled texts come from. Opening one fetches what it needs, so that both calls are local."""

    @property
    def facts(self) -> SourceFacts:
        """Licence, origin, digest and caveats, for the data card."""
        ...

    def rows(self) -> Iterator[RawRow]:
        """Every row from the first on, at each call anew and in the same order.

        Raises:
            SourceError: the source cannot be read; the message names the place.
            UnknownColumnError: a column the settings name is not there.
        """
        ...
