from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from seatrial.wiring.workshop import Workshop
from tests.houses import open_workshop


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Workshop]:
    opened = open_workshop(tmp_path)
    yield opened
    opened.close()
