"""Many writers, sudden ends, and the schema they meet."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from seatrial.domain.errors import LedgerConflictError, LedgerError
from seatrial.store import migrations
from seatrial.store.database import Database
from seatrial.store.ledger import LedgerHead
from seatrial.store.store import Store
from seatrial.store.tables import metadata
from tests.ledgers import execute, note, words


def writer(url: str, mode: str, count: int = 0) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.store_writer", url, mode, str(count)], stdout=subprocess.PIPE, text=True
    )


def acknowledged(line: str) -> tuple[int, str]:
    seq, sha256 = line.split()
    return int(seq), sha256


def test_writers_of_several_processes_leave_one_gapless_chain(url: str) -> None:
    processes = [writer(url, "entries", 25) for _ in range(4)]  # they also race to make the schema
    lines = [line for process in processes for line in process.communicate(timeout=300)[0].splitlines()]

    assert [process.returncode for process in processes] == [0] * 4
    with Store.open(url) as store:
        entries = list(store.entries())
        assert [entry.seq for entry in entries] == list(range(1, 101))
        assert sorted(map(acknowledged, lines)) == [(entry.seq, entry.sha256) for entry in entries]
        assert words(store.verify([store.head()])) == {"chain": "pass", "anchor": "pass", "intents": "pass"}


def test_threads_may_share_a_store(url: str) -> None:
    with Store.open(url) as store, ThreadPoolExecutor(4) as threads:
        entries = list(threads.map(lambda number: note(store, number), range(40)))
        assert sorted(entry.seq for entry in entries) == list(range(1, 41))
        assert [entry.payload["number"] for entry in store.entries()] == [
            entry.payload["number"] for entry in sorted(entries, key=lambda entry: entry.seq)
        ]
        assert words(store.verify([store.head()]))["chain"] == "pass"


def test_a_killed_writer_loses_nothing_it_acknowledged(url: str) -> None:
    rng = random.Random(7)
    promised: list[tuple[int, str]] = []
    for _ in range(5):
        with writer(url, "churn") as process:
            assert process.stdout is not None
            promised += [acknowledged(process.stdout.readline()) for _ in range(rng.randint(1, 40))]
            time.sleep(rng.uniform(0, 0.005))  # anywhere in the next few writes
            process.kill()
            # What was printed before the kill counts too; a last line without its end was not yet told.
            promised += [acknowledged(line) for line in process.stdout if line.endswith("\n")]
        with Store.open(url) as store:
            recorded = {entry.seq: entry.sha256 for entry in store.entries()}
            assert all(recorded.get(seq) == sha256 for seq, sha256 in promised)
            findings = store.verify([LedgerHead(seq, sha256) for seq, sha256 in promised])
            assert words(findings) == {"chain": "pass", "anchor": "pass", "intents": "pass"}


# ---- the schema


def test_the_migrations_make_the_tables_that_the_code_uses(url: str) -> None:
    Store.open(url).close()
    engine = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": migrations.VERSION_TABLE})
        assert compare_metadata(context, metadata) == []
        assert context.get_current_revision() == migrations.NEWEST
    engine.dispose()


def test_a_database_of_a_newer_release_is_left_alone(url: str) -> None:
    Store.open(url).close()
    execute(url, f"UPDATE {migrations.VERSION_TABLE} SET version_num = '9999'")
    with pytest.raises(LedgerError, match=r"schema 9999.*use the newer Seatrial"):
        Store.open(url)


def test_the_ledger_shares_a_database_with_others(url: str) -> None:
    """MLflow keeps its own alembic_version in the same PostgreSQL database."""
    execute(url, "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
    execute(url, "INSERT INTO alembic_version VALUES ('of somebody else')")
    with Store.open(url) as store:
        assert note(store).seq == 1


def test_an_intent_without_its_entry_cannot_be_written(url: str) -> None:
    database = Database.open(url)
    with pytest.raises(LedgerConflictError, match="contradicts"), database.write() as connection:
        connection.exec_driver_sql("INSERT INTO alias_intents VALUES ('m', 'production', 1, 77, false)")
    with database.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM alias_intents").scalar() == 0
    database.close()
