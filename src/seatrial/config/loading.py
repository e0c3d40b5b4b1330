"""Reads settings from where people write them: the file, the environment, the command line."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_origin

from pydantic import TypeAdapter, ValidationError

from seatrial.config.kinds import Section
from seatrial.config.settings import Settings, mask, masked
from seatrial.domain.errors import ConfigError, UnknownSettingError

__all__ = ["CONFIG_FILE", "load_settings"]

CONFIG_FILE = "seatrial.toml"
_ENV_PREFIX = "SEATRIAL_"
# Variables with the prefix that are no settings: secrets, the home of the state, and the switch of the test suite.
_ENV_OTHERS = frozenset({"SEATRIAL_API_KEY", "SEATRIAL_HOME", "SEATRIAL_REQUIRE_ALL", "SEATRIAL_WEBHOOK_SECRET"})


@dataclass(frozen=True, slots=True)
class _Place:
    """A setting, and the file, variable or command line that names it."""

    origin: str
    section: str
    key: str


@dataclass(frozen=True, slots=True)
class _Given:
    """One value that somebody wrote."""

    place: _Place
    value: Any


def load_settings(
    project_dir: Path | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Settings:
    """Reads a project's settings: defaults, then seatrial.toml, then SEATRIAL_* variables, then `overrides`.

    Args:
        project_dir: directory with seatrial.toml (which may be absent); the working directory by default.
        environment: the variables to read; the process's own by default.
        overrides: ``{"section.key": value}`` from the command line; text is read as a variable's is.

    Raises:
        UnknownSettingError: a section or key that does not exist, with the nearest that does.
        ConfigError: a file that is no TOML, or a value that is impossible, with its place.
    """
    directory = (project_dir or Path.cwd()).resolve()
    environment = os.environ if environment is None else environment
    values: dict[str, dict[str, Any]] = {}
    origins: dict[str, str] = {}
    for given in (
        *_from_file(directory / CONFIG_FILE),
        *_from_environment(environment),
        *_from_overrides(overrides or {}),
    ):
        place = given.place
        values.setdefault(place.section, {})[place.key] = given.value
        origins[f"{place.section}.{place.key}"] = place.origin
    home = (directory / (environment.get("SEATRIAL_HOME") or ".seatrial")).resolve()
    try:
        return Settings.model_validate({**values, "project_dir": directory, "home": home, "origins": origins})
    except ValidationError as error:
        raise ConfigError(_first_fault(error, origins)) from None


def _from_file(path: Path) -> Iterator[_Given]:
    try:
        document = tomllib.loads(path.read_text("utf-8-sig"))
    except FileNotFoundError:
        return
    except (OSError, ValueError, RecursionError) as error:  # ValueError: no UTF-8, no TOML, or a number without end
        raise ConfigError(f"{path} cannot be read as TOML: {error}. Correct it, or run seatrial init.") from error
    for section, body in document.items():
        if not isinstance(body, dict):
            raise UnknownSettingError(
                f"{path}: {section!r} stands outside a section: put it under one, like [serving]."
            )
        _section(str(path), section)  # an empty one gives nothing to read, and must exist all the same
        for key, value in body.items():
            yield _as_it_is(_Place(str(path), section, key), value)


def _from_environment(environment: Mapping[str, str]) -> Iterator[_Given]:
    for name in sorted(environment):
        if not name.startswith(_ENV_PREFIX) or name in _ENV_OTHERS:
            continue
        section, separator, key = name.removeprefix(_ENV_PREFIX).lower().partition("__")
        if not separator:
            raise UnknownSettingError(
                f"{name} names no setting: write SEATRIAL_SECTION__KEY, like SEATRIAL_SERVING__PORT."
            )
        yield _from_text(_Place(name, section, key), environment[name])


def _from_overrides(overrides: Mapping[str, Any]) -> Iterator[_Given]:
    for name, value in overrides.items():
        section, _, key = name.partition(".")
        place = _Place("command line", section, key)
        yield _from_text(place, value) if isinstance(value, str) else _as_it_is(place, value)


def _as_it_is(place: _Place, value: Any) -> _Given:
    """A value that has a type; a list becomes a tuple, as every list setting is one."""
    _annotation(place)
    return _Given(place, tuple(value) if isinstance(value, list) else value)


def _from_text(place: _Place, text: str) -> _Given:
    """A value written as plain text; comma-separated where the setting is a list."""
    annotation = _annotation(place)
    if get_origin(annotation) is tuple:
        return _Given(place, tuple(part.strip() for part in text.split(",") if part.strip()))
    try:
        return _Given(place, TypeAdapter(annotation).validate_python(text))
    except ValidationError:
        # Left as text: the section refuses it, with the place in the message.
        return _Given(place, text)


def _annotation(place: _Place) -> Any:
    """The type of the setting at a place that must exist."""
    settings = _section(place.origin, place.section).model_fields
    if place.key not in settings:
        raise UnknownSettingError(
            f"{place.origin}: [{place.section}] has no setting {place.key!r}.{_nearest(place.key, settings)}"
        )
    return settings[place.key].annotation


def _section(origin: str, name: str) -> type[Section]:
    sections = Settings.sections()
    if name not in sections:
        raise UnknownSettingError(f"{origin}: there is no section [{name}].{_nearest(name, sections)}")
    return sections[name]


def _nearest(word: str, known: Iterable[str]) -> str:
    names = list(known)
    close = difflib.get_close_matches(word, names, 1)
    return f" Did you mean {close[0]!r}?" if close else f" It has: {', '.join(names)}."


def _first_fault(error: ValidationError, origins: Mapping[str, str]) -> str:
    fault = error.errors()[0]
    place = [str(part) for part in fault["loc"]]
    origin = origins.get(".".join(place[:2]), "settings")
    reason = fault["msg"].removeprefix("Value error, ").rstrip(".")
    return f"{origin}: {'.'.join(place)} cannot be {_shown(place, fault['input'])}: {reason}."


def _shown(place: Sequence[str], value: object) -> str:
    """What was written there, without what may not be shown."""
    kind = Settings.sections().get(place[0])
    field = kind.model_fields.get(place[1]) if kind and len(place) > 1 else None
    return masked(field, repr(value)) if field else mask(repr(value))
