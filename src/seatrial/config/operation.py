"""The sections of what keeps models in operation: every setting with its default, its limits and its meaning."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from seatrial.config.kinds import EVENTS, NotifiedEvent, Port, Positive, Seconds, SecretPath, Section, Url

__all__ = [
    "ControlSettings",
    "StoreSettings",
]


class ControlSettings(Section):
    """The control plane: who moves releases on, and the HTTP API that people steer them with."""

    host: str = "127.0.0.1"
    """Address of the HTTP API."""
    port: Port = 8090
    """Port of the HTTP API; 0 takes a free one."""
    interval_s: Seconds = 5.0
    """Time between two looks at the running releases; what people do is acted on at once."""
    lease_s: Annotated[float, Field(ge=1)] = 30.0
    """After this silence of the active controller another one takes over."""
    webhook_url: Annotated[Url, SecretPath()] = ""
    """Where every decision is told, signed, at least once and in order; empty: nowhere."""
    webhook_secret_file: str = ""
    """File with the secret that signs it, one a line; `SEATRIAL_WEBHOOK_SECRET` in the environment is stronger."""
    webhook_events: tuple[NotifiedEvent, ...] = EVENTS
    """What is told there."""
    alertmanager_url: Url = ""
    """Alertmanager that is told of alarms; empty: none."""
    alertmanager_interval_s: Seconds = 60.0
    """Time between two times that it is told what still holds."""
    stuck_hold_s: Seconds = 86_400.0
    """A release whose step has not changed for so long is stuck, and alarms."""
    notification_timeout_s: Seconds = 10.0
    """How long a receiver of notifications may take over each part of an answer."""
    data_plane_url: str = ""
    """Internal port of the data plane; empty: `http://` with serving.host and serving.internal_port."""
    data_plane_token_file: str = ""
    """File with the key that the data plane's serving.admin_token_file admits; empty: none, on this machine."""
    data_plane_timeout_s: Seconds = 10.0
    """How long the data plane may take over an answer, the loading of a version aside."""
    tokens_file: str = ""
    """File with a line `name:role:sha256` for each token of the HTTP API, reread; empty: only this machine may ask."""


class StoreSettings(Section):
    """Durable state."""

    database_url: str = ""
    """SQLAlchemy URL of the ledger; empty: `sqlite:///<home>/seatrial.db`."""
    bundles_dir: str = ""
    """Serving directories; empty: `<home>/bundles`."""
    signing_key_file: str = ""
    """File with a secret key; the ledger's head is then signed with it (HMAC-SHA256)."""
    keep_versions: Positive = 10
    """`gc` keeps the bundles of so many newest versions of a model, and of all that were served or have an alias."""
    keep_journal_days: Annotated[float, Field(ge=1)] = 30.0
    """`gc` keeps the journal of so many days; longer where a release or experiment that is under way began before."""
    keep_looks_days: Annotated[float, Field(ge=1)] = 365.0
    """`gc` keeps the looks at ended releases so long; after it only their end, and every decision in the ledger."""
    keep_cache_days: Annotated[float, Field(ge=0)] = 30.0
    """`gc` keeps what can be made or fetched again so long after its last use."""
