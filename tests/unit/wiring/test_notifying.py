"""Receivers from settings, variables and files."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.config import load_settings
from seatrial.domain.errors import ConfigError
from seatrial.wiring.notifying import SECRET_VARIABLE, Receivers, receivers

SECRET = "a secret of sixteen bytes"


def named(directory: Path, *, secret: str = "", **settings: object) -> Receivers:
    """The receivers of settings of [control]."""
    overrides = {f"control.{key}": value for key, value in settings.items()}
    environment = {SECRET_VARIABLE: secret} if secret else {}
    return receivers(load_settings(directory, environment=environment, overrides=overrides), environment)


def test_nobody_is_told_by_default(tmp_path: Path) -> None:
    assert named(tmp_path) == Receivers(None, None)


def test_the_secret_comes_from_the_file_or_the_variable(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    for told in (
        named(tmp_path, webhook_url="http://h/x", webhook_secret_file="secret"),
        named(tmp_path, webhook_url="http://h/x", secret=SECRET),
        named(tmp_path, webhook_url="http://h/x", secret=SECRET, webhook_secret_file="nowhere"),
    ):
        assert told.webhook is not None
        assert told.webhook.shown == "http://h/***"
        told.close()


@pytest.mark.parametrize(
    ("name", "written", "said"),
    [
        ("", b"", "needs a secret"),
        ("nowhere", b"", r"nowhere cannot be read \(FileNotFoundError\)"),
        ("secret", b"", "holds no secret"),
        ("secret", b"0123456789", "at least 16 bytes"),
        ("secret", b"\xff\xfe0123456789abcdef", "cannot be read"),
    ],
)
def test_a_webhook_without_a_usable_secret_is_refused(tmp_path: Path, name: str, written: bytes, said: str) -> None:
    (tmp_path / "secret").write_bytes(written)
    with pytest.raises(ConfigError, match=said) as refused:
        named(tmp_path, webhook_url="http://h/hidden", webhook_secret_file=name)
    assert "0123456789" not in str(refused.value)
    assert "hidden" not in str(refused.value)


@pytest.mark.parametrize("url", ["http://am:9093", "http://am:9093/", "http://am:9093/api/v2/alerts"])
def test_the_address_of_an_alertmanager_may_have_its_path_or_not(tmp_path: Path, url: str) -> None:
    told = named(tmp_path, alertmanager_url=url, alertmanager_interval_s=30.0)
    assert told.alertmanager is not None
    assert told.alertmanager._post._url == "http://am:9093/api/v2/alerts"
    assert told.alertmanager.interval_s == 30.0
