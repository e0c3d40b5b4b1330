"""Every test here runs on sqlite and on a real PostgreSQL."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from seatrial.store.store import Store
from tests.ledgers import NOON
from tests.servers import postgresql


@pytest.fixture(scope="session")
def new_postgresql_schema() -> Iterator[Callable[[], str]]:
    """Makes an empty schema, which is quicker than a database, and gives a URL that sees nothing else."""
    numbers = itertools.count()
    with postgresql() as server:

        def make() -> str:
            name = f"seatrial_{next(numbers)}"
            with psycopg.connect(server, autocommit=True) as connection:
                connection.execute(f"CREATE SCHEMA {name}")
            return f"{server}&options=-csearch_path%3D{name}"

        yield make


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of the test's own."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'seatrial.db'}"
    make: Callable[[], str] = request.getfixturevalue("new_postgresql_schema")
    return make()


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    """A store whose clock advances by a minute a look, from noon on."""
    ticks = itertools.count()
    with Store.open(url, clock=lambda: NOON + timedelta(minutes=next(ticks))) as opened:
        yield opened
