from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from seatrial.wiring.workshop import Workshop
from tests.handmade import write_project
from tests.houses import open_workshop


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Workshop]:
    """Of an empty directory."""
    opened = open_workshop(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def handmade(tmp_path: Path) -> Iterator[Workshop]:
    """Of a project that can go the whole way."""
    opened = open_workshop(write_project(tmp_path))
    yield opened
    opened.close()
