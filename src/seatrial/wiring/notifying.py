"""Receivers of notifications, from the settings and the secret."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seatrial.config import Settings
from seatrial.domain.errors import ConfigError

if TYPE_CHECKING:
    from seatrial.notifications.alertmanager import Alertmanager
    from seatrial.notifications.webhook import Webhook

__all__ = ["SECRET_VARIABLE", "Receivers", "new_webhook_secret", "receivers"]

SECRET_VARIABLE = "SEATRIAL_WEBHOOK_SECRET"  # noqa: S105  the name of a variable


@dataclass(frozen=True, slots=True)
class Receivers:
    """Who is told; None where nobody is named."""

    webhook: Webhook | None
    alertmanager: Alertmanager | None

    def close(self) -> None:
        """Closes the connections."""
        for receiver in (self.webhook, self.alertmanager):
            if receiver is not None:
                receiver.close()


def receivers(settings: Settings, environment: Mapping[str, str] = os.environ) -> Receivers:
    """The receivers that the settings name; nothing is connected yet.

    Raises:
        ConfigError: a webhook has no secret, or it cannot be read or used.
    """
    from seatrial.notifications.alertmanager import PATH, Alertmanager
    from seatrial.notifications.posting import Post
    from seatrial.notifications.webhook import Webhook

    section = settings.control
    webhook = alertmanager = None
    if section.webhook_url:
        keys = _keys(settings, environment.get(SECRET_VARIABLE, ""))
        webhook = Webhook(Post(section.webhook_url, section.notification_timeout_s), keys)
    if section.alertmanager_url:
        place = section.alertmanager_url.rstrip("/").removesuffix(PATH)
        post = Post(place + PATH, section.notification_timeout_s)
        alertmanager = Alertmanager(post, section.alertmanager_interval_s)
    return Receivers(webhook, alertmanager)


def new_webhook_secret() -> str:
    """A secret nobody can guess."""
    from seatrial.notifications.signing import new_secret

    return new_secret()


def _keys(settings: Settings, variable: str) -> tuple[bytes, ...]:
    from seatrial.notifications.signing import parse_secrets

    if variable:
        return parse_secrets(variable, SECRET_VARIABLE)
    name = settings.control.webhook_secret_file
    if not name:
        raise ConfigError(
            "control.webhook_url needs a secret that signs what is sent: make one with seatrial config "
            f"new-webhook-secret, and set control.webhook_secret_file or {SECRET_VARIABLE}."
        )
    path = settings.project_dir / name
    try:
        return parse_secrets(path.read_text("utf-8-sig"), f"control.webhook_secret_file: {path}")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"control.webhook_secret_file: {path} cannot be read ({type(error).__name__}).") from error
