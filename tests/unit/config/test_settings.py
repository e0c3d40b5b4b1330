"""All settings together: where they put the state, and how they are shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from seatrial.config import Section, Settings, load_settings, mask
from seatrial.domain.errors import ConfigError


def load(directory: Path, **variables: str) -> Settings:
    """Settings from these variables alone."""
    return load_settings(directory, environment=variables)


def test_everything_lies_in_the_home_by_default(tmp_path: Path) -> None:
    settings = load(tmp_path, SEATRIAL_HOME=str(tmp_path / "h"))
    assert settings.database_url == f"sqlite:///{tmp_path}/h/seatrial.db"
    assert settings.tracking_uri == f"sqlite:///{tmp_path}/h/mlflow.db"
    assert settings.artifact_uri == f"file://{tmp_path}/h/mlartifacts"
    assert settings.bundles_dir == tmp_path / "h" / "bundles"
    assert settings.cache_dir == tmp_path / "h" / "cache"


def test_every_place_can_be_elsewhere(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        SEATRIAL_STORE__DATABASE_URL="postgresql://db/x",
        SEATRIAL_REGISTRY__TRACKING_URI="http://mlflow:5000",
        SEATRIAL_STORE__BUNDLES_DIR="served",
    )
    assert settings.database_url == "postgresql://db/x"
    assert settings.tracking_uri == "http://mlflow:5000"
    assert settings.artifact_uri == ""  # the tracking server decides
    assert settings.bundles_dir == tmp_path / "served"
    assert load(tmp_path, SEATRIAL_STORE__BUNDLES_DIR="/srv/b").bundles_dir == Path("/srv/b")
    assert load(tmp_path, SEATRIAL_REGISTRY__ARTIFACT_URI="s3://b/a").artifact_uri == "s3://b/a"


def test_the_rows_cover_every_setting_with_its_origin(tmp_path: Path) -> None:
    rows = load(tmp_path, SEATRIAL_SERVING__PORT="9", SEATRIAL_DATA__LABELS="a,b").rows()
    names = [name for name, _, _ in rows]
    assert names == [f"{section}.{key}" for section, kind in Settings.sections().items() for key in kind.model_fields]
    assert len(set(names)) == len(names)
    assert ("serving.port", "9", "SEATRIAL_SERVING__PORT") in rows
    assert ("data.labels", "a, b", "SEATRIAL_DATA__LABELS") in rows
    assert ("serving.host", "127.0.0.1", "default") in rows


def test_the_rows_show_no_password(tmp_path: Path) -> None:
    rows = load(tmp_path, SEATRIAL_STORE__DATABASE_URL="postgresql://ann:secret@db/x").rows()
    assert "secret" not in str([value for _, value, _ in rows])
    assert ("store.database_url", "postgresql://ann:***@db/x", "SEATRIAL_STORE__DATABASE_URL") in rows


def test_the_path_of_a_webhook_is_shown_nowhere(tmp_path: Path) -> None:
    name = "SEATRIAL_CONTROL__WEBHOOK_URL"
    rows = load(tmp_path, **{name: "https://hooks.example.com/services/secret"}).rows()
    assert ("control.webhook_url", "https://hooks.example.com/***", name) in rows
    for wrong in ("hooks.example.com/secret", "ftp://h/secret", "https://h:99999/secret", "https://h/secret#x",
                  "https://", "https://h/a secret", "https://h:0/secret"):  # fmt: skip
        with pytest.raises(ConfigError, match=r"control\.webhook_url cannot be") as refused:
            load(tmp_path, **{name: wrong})
        assert "secret" not in str(refused.value)


def test_the_sections_are_all_fields_but_the_places() -> None:
    assert set(Settings.model_fields) - set(Settings.sections()) == {"project_dir", "home", "origins"}


@pytest.mark.parametrize("kind", Settings.sections().values())
def test_every_setting_is_described(kind: type[Section]) -> None:
    missing = [key for key, setting in kind.model_fields.items() if not (setting.description or "").endswith(".")]
    assert not missing
    assert kind.__doc__


@pytest.mark.parametrize("kind", Settings.sections().values())
def test_every_default_is_possible(kind: type[Section]) -> None:
    defaults = {key: setting.default for key, setting in kind.model_fields.items()}
    assert kind.model_validate(defaults) == kind()


@pytest.mark.parametrize("kind", Settings.sections().values())
def test_a_section_cannot_be_changed(kind: type[Section]) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        setattr(kind(), next(iter(kind.model_fields)), None)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("postgresql://ann:secret@db/x", "postgresql://ann:***@db/x"),
        ("postgresql://:secret@db/x", "postgresql://:***@db/x"),
        ("postgresql+psycopg://ann:se/c:r@et@db:5432/x", "postgresql+psycopg://ann:***@db:5432/x"),
        (
            "postgresql://db/x?user=ann&password=secret&sslmode=require",
            "postgresql://db/x?user=ann&password=***&sslmode=require",
        ),
        ("https://host/index?API_TOKEN=secret#top", "https://host/index?API_TOKEN=***#top"),
        ("postgresql://ann@db/x", "postgresql://ann@db/x"),
        ("http://mlflow:5000", "http://mlflow:5000"),
        ("sqlite:////srv/seatrial.db", "sqlite:////srv/seatrial.db"),
        ("plain", "plain"),
        (("a", "https://u:secret@h/"), "a, https://u:***@h/"),
        (5, "5"),
        (True, "True"),
    ],
)
def test_mask(value: object, shown: str) -> None:
    assert mask(value) == shown
