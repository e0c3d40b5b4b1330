from __future__ import annotations

import pytest

from seatrial.bundle import Bundle
from seatrial.conversion.parity import ParityRows
from tests import builders
from tests.conversions import parity_rows


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A tiny classifier with random weights. Not to be written to."""
    return builders.source_bundle(tmp_path_factory.mktemp("source") / "bundle")


@pytest.fixture(scope="session")
def rows(source: Bundle) -> ParityRows:
    """As many rows as prove an fp32 artifact, with the source's own decisions as the truth."""
    return parity_rows(source, 700)
