from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from seatrial.wiring.workshop import Workshop
from tests.releases import House, new_house


@pytest.fixture
def memory() -> Iterator[Path]:
    """A directory in memory where there is one: hundreds of small transactions wait seconds for a disk."""
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if os.access(shared, os.W_OK) else None) as directory:
        yield Path(directory)


@pytest.fixture
def house(memory: Path) -> House:
    return new_house(memory)


@pytest.fixture
def workshop(house: House) -> Iterator[Workshop]:
    opened = house.workshop()
    yield opened
    opened.close()
