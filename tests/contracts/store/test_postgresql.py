"""What only a server can do to its clients."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest

from seatrial.domain.errors import (
    ConfigError,
    LedgerConflictError,
    LedgerError,
    SeatrialError,
    StorageFullError,
    UnreachableError,
)
from seatrial.store.database import Database
from seatrial.store.store import Store
from tests.ledgers import note


@pytest.fixture
def server_url(new_postgresql_schema: Callable[[], str]) -> str:
    return new_postgresql_schema()


@pytest.mark.parametrize(
    ("condition", "kind", "told"),
    [
        ("disk_full", StorageFullError, "free some space"),
        ("lock_not_available", UnreachableError, "held by another process"),
        ("too_many_connections", UnreachableError, "does not answer"),
        ("admin_shutdown", UnreachableError, "does not answer"),
        ("insufficient_privilege", ConfigError, "the rights to it"),
        ("read_only_sql_transaction", ConfigError, "the rights to it"),
        ("serialization_failure", LedgerConflictError, "read it anew"),
        ("data_corrupted", LedgerError, "put a backup in its place"),
        ("division_by_zero", LedgerError, "nothing was recorded"),
    ],
)
def test_what_the_server_says_is_told_in_our_words(
    server_url: str, condition: str, kind: type[SeatrialError], told: str
) -> None:
    database = Database.open(server_url)
    with pytest.raises(kind, match=told) as caught, database.write() as connection:
        connection.exec_driver_sql(f"DO $$ BEGIN RAISE EXCEPTION '{condition}' USING ERRCODE = '{condition}'; END $$")
    database.close()
    assert caught.type is kind


def test_a_server_that_came_back_is_used_again(server_url: str) -> None:
    with Store.open(server_url) as store:
        note(store)
        with psycopg.connect(server_url, autocommit=True) as administrator:
            administrator.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )
        assert note(store).seq == 2


def test_a_connection_lost_while_writing_is_told_and_records_nothing(server_url: str) -> None:
    database = Database.open(server_url)
    with pytest.raises(UnreachableError, match="does not answer"), database.write() as connection:
        connection.exec_driver_sql("SELECT pg_terminate_backend(pg_backend_pid())")
    database.close()


def test_a_commit_is_durable_even_where_the_server_would_not_wait(server_url: str) -> None:
    database = Database.open(server_url + "%20-csynchronous_commit%3Doff")
    with database.write() as connection:
        assert connection.exec_driver_sql("SHOW synchronous_commit").scalar() == "on"
    with database.read() as connection:
        assert connection.exec_driver_sql("SHOW synchronous_commit").scalar() == "off"
        assert connection.exec_driver_sql("SHOW transaction_read_only").scalar() == "on"
    database.close()


def test_a_database_that_does_not_exist_is_told(server_url: str) -> None:
    with pytest.raises(UnreachableError, match=r'"nowhere" does not exist.*store\.database_url is right'):
        Store.open(server_url.replace("@/postgres?", "@/nowhere?"))
