"""All settings of a project together, and where they put its state."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo

from seatrial.config.deployment import (
    AcceptanceSettings,
    ConversionSettings,
    ExperimentSettings,
    ReleaseSettings,
    ServingSettings,
)
from seatrial.config.development import (
    DataSettings,
    EvaluationSettings,
    ModelSettings,
    RegistrySettings,
    TrainingSettings,
)
from seatrial.config.kinds import SecretPath, Section
from seatrial.config.operation import ControlSettings, StoreSettings

__all__ = ["Settings", "mask", "mask_path", "masked", "sqlite_path", "sqlite_url"]

# Up to the last @: a password may itself hold one, and hiding too much is the better mistake.
_URL_PASSWORD = re.compile(r"(?<=://)([^:/?#@\s]*):\S*@")
_QUERY_SECRET = re.compile(r"([?&][\w-]*(?:password|secret|token|key)[\w-]*=)[^&#\s]+", re.IGNORECASE)


class Settings(BaseModel):
    """All sections, where the project and its state lie, and where each value came from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: ModelSettings = ModelSettings()
    data: DataSettings = DataSettings()
    training: TrainingSettings = TrainingSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    registry: RegistrySettings = RegistrySettings()
    conversion: ConversionSettings = ConversionSettings()
    serving: ServingSettings = ServingSettings()
    acceptance: AcceptanceSettings = AcceptanceSettings()
    release: ReleaseSettings = ReleaseSettings()
    experiments: ExperimentSettings = ExperimentSettings()
    control: ControlSettings = ControlSettings()
    store: StoreSettings = StoreSettings()

    project_dir: Path = Field(default=Path(), exclude=True)
    home: Path = Field(default=Path(".seatrial"), exclude=True)
    origins: Mapping[str, str] = Field(default_factory=dict, exclude=True)

    @classmethod
    def sections(cls) -> dict[str, type[Section]]:
        """The sections by name, in the order of the lifecycle."""
        return {
            name: field.annotation
            for name, field in cls.model_fields.items()
            if isinstance(field.annotation, type) and issubclass(field.annotation, Section)
        }

    @property
    def database_url(self) -> str:
        """SQLAlchemy URL of the ledger."""
        return self.store.database_url or sqlite_url(self.home / "seatrial.db")

    @property
    def tracking_uri(self) -> str:
        """MLflow tracking URI."""
        return self.registry.tracking_uri or sqlite_url(self.home / "mlflow.db")

    @property
    def artifact_uri(self) -> str:
        """Where MLflow's new experiments store their files; empty where a tracking server decides."""
        if self.registry.artifact_uri or self.registry.tracking_uri.startswith(("http://", "https://")):
            return self.registry.artifact_uri
        return (self.home / "mlartifacts").as_uri()

    @property
    def bundles_dir(self) -> Path:
        """Directory of the bundles and their index."""
        return self.project_dir / self.store.bundles_dir if self.store.bundles_dir else self.home / "bundles"

    @property
    def journal_dir(self) -> Path:
        """Directory of the data plane's journal."""
        return self.home / "journal"

    @property
    def cache_dir(self) -> Path:
        """Directory of what can be made or fetched again."""
        return self.home / "cache"

    def rows(self) -> list[tuple[str, str, str]]:
        """(section.key, value with secrets masked, origin) of every setting, for `config show`."""
        return [
            (
                f"{section}.{key}",
                masked(field, getattr(getattr(self, section), key)),
                self.origins.get(f"{section}.{key}", "default"),
            )
            for section, kind in self.sections().items()
            for key, field in kind.model_fields.items()
        ]


def masked(field: FieldInfo, value: Any) -> str:
    """The value of a setting as it may be shown."""
    return mask_path(str(value)) if any(isinstance(mark, SecretPath) for mark in field.metadata) else mask(value)


def mask_path(url: str) -> str:
    """The URL with everything hidden that may be a secret: who calls it, its path and its query.

    Example:
        >>> mask_path("https://ann:secret@hooks.example.com:8443/services/secret?key=secret")
        'https://***@hooks.example.com:8443/***'
        >>> mask_path("https://hooks.example.com"), mask_path("what is no URL")
        ('https://hooks.example.com', '***')
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        return "***" if url else ""
    place, slash, _ = rest.partition("/") if "/" in rest else rest.partition("?")
    caller, at, host = place.rpartition("@")
    return f"{scheme}://{'***' if caller else ''}{at}{host}{'/***' if slash else ''}"


def mask(value: object) -> str:
    """The value as text, with the secrets of a URL hidden.

    Example:
        >>> mask("postgresql://ann:secret@db/seatrial")
        'postgresql://ann:***@db/seatrial'
        >>> mask("https://host/index?token=secret&page=2")
        'https://host/index?token=***&page=2'
    """
    if isinstance(value, tuple):
        return ", ".join(map(mask, value))
    return _QUERY_SECRET.sub(r"\1***", _URL_PASSWORD.sub(r"\1:***@", str(value)))


def sqlite_path(url: str) -> Path | None:
    """The file of a sqlite URL, None for any other database.

    Example:
        >>> sqlite_path("sqlite:////srv/ann/seatrial.db?timeout=5"), sqlite_path("postgresql://db/seatrial")
        (PosixPath('/srv/ann/seatrial.db'), None)
    """
    scheme, _, path = url.partition(":///")
    return Path(unquote(path.partition("?")[0])) if scheme.partition("+")[0] == "sqlite" else None


def sqlite_url(path: Path) -> str:
    """The SQLAlchemy URL of a file: since 2.1 a percent sign in it is an escape, and a question mark ends the path."""
    return f"sqlite:///{str(path).replace('%', '%25').replace('?', '%3F')}"
