"""What settings are made of: kinds of values with their limits, and the section that all sections are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

__all__ = [
    "EVENTS",
    "NotifiedEvent",
    "OpenRatio",
    "Port",
    "Positive",
    "Ratio",
    "Seconds",
    "SecretPath",
    "Section",
    "Url",
    "as_number",
    "as_whole",
]

Ratio = Annotated[float, Field(ge=0, le=1)]
OpenRatio = Annotated[float, Field(gt=0, lt=1)]
Positive = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0)]
Port = Annotated[int, Field(ge=0, le=65535)]
NotifiedEvent = Literal[
    "release.started",
    "release.advanced",
    "release.held",
    "release.promoted",
    "release.done",
    "release.rolled_back",
    "alias.moved",
    "alias.foreign",
    "version.refused",
    "decision",
]
EVENTS: tuple[NotifiedEvent, ...] = get_args(NotifiedEvent)


def _possible_url(url: str) -> str:
    """Raises where nothing could ever be sent to it; empty is none."""
    parts = urlsplit(url)
    usable = parts.scheme in ("http", "https") and parts.hostname and not parts.fragment and parts.port != 0
    if url and (not usable or not url.isprintable() or " " in url):
        raise ValueError("a URL that begins with http:// or https://, names a host and has no fragment is needed")
    return url


Url = Annotated[str, AfterValidator(_possible_url)]


@dataclass(frozen=True, slots=True)
class SecretPath:
    """Marks the setting of a URL whose path is known only to those who may call it: it is never shown."""


class Section(BaseModel):
    """A section of seatrial.toml: frozen, and refusing what it does not know, other types, NaN and infinities."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


def as_number(part: object) -> object:
    """A number where text is one: variables and options are text. What is none is left for the type to refuse."""
    try:
        return float(part) if isinstance(part, str) else part
    except ValueError:
        return part


def as_whole(part: object) -> object:
    """The same for whole numbers."""
    try:
        return int(part) if isinstance(part, str) else part
    except ValueError:
        return part
