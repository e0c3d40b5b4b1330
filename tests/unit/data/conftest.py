from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.package_index import LoopbackServer, serve


@pytest.fixture(autouse=True)
def plain_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No proxy, no index and no pip configuration of this machine takes part in a test."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "PIP_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    with serve() as running:
        yield running
