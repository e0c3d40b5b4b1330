"""What only sqlite files, URLs and servers that are not there can do."""

from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from seatrial.domain.errors import ConfigError, LedgerError, SeatrialError, UnreachableError
from seatrial.store import migrations
from seatrial.store.database import Database
from seatrial.store.ledger import LedgerHead
from seatrial.store.store import Store
from tests.ledgers import note, words


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "seatrial.db"


def test_the_charter_imports_nothing_heavy() -> None:
    program = "import sys, seatrial.store, seatrial.store.ledger; print({'sqlalchemy', 'alembic'} & sys.modules.keys())"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"


# ---- URLs


@pytest.mark.parametrize(
    "url",
    [
        "",
        "seatrial.db",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///file:x?mode=memory&uri=true",
        "mysql://ann:secret@host/name",
        "postgresql+asyncpg://ann:secret@host/name",
        "no url at all",
    ],
)
def test_a_url_that_cannot_hold_a_ledger_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match=r"sqlite:///FILE or postgresql://") as caught:
        Store.open(url)
    assert "secret" not in str(caught.value)


def test_a_short_signing_key_is_refused(file: Path) -> None:
    with pytest.raises(ConfigError, match="5 bytes is too short: use 16 or more"):
        Store.open(f"sqlite:///{file}", signing_key=b"short")
    assert not file.exists()


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_a_server_that_is_not_there_is_told_without_the_password(scheme: str) -> None:
    with socket.socket() as reserved:  # bound, never listening: every connection is refused
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
        with pytest.raises(
            UnreachableError, match=rf"ann:\*\*\*@127.0.0.1:{port}/seatrial\S* does not answer"
        ) as caught:
            Store.open(f"{scheme}://ann:secret@127.0.0.1:{port}/seatrial?sslpassword=secret")
    assert "secret" not in str(caught.value)


def test_a_server_that_never_answers_is_given_up_soon() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(UnreachableError, match="does not answer"):
            Store.open(f"postgresql://ann@127.0.0.1:{port}/seatrial?connect_timeout=2")


# ---- sqlite files


def test_a_commit_is_synced_before_it_is_acknowledged(file: Path) -> None:
    database = Database.open(f"sqlite:///{file}")
    with database.read() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    database.close()
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 30_000}


def test_the_directory_is_made(tmp_path: Path) -> None:
    file = tmp_path / "new" / "home" / "seatrial.db"
    Store.open(f"sqlite:///{file}").close()
    assert file.exists()


def test_a_place_that_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"check store\.database_url and the rights"):
        Store.open(f"sqlite:///{tmp_path}")
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"cannot be made: .* Choose another store\.database_url"):
        Store.open(f"sqlite:///{tmp_path / 'file' / 'seatrial.db'}")


def test_readers_do_not_wait_for_a_writer_nor_see_half_of_it(file: Path) -> None:
    url = f"sqlite:///{file}?timeout=0.01"
    database = Database.open(url)
    with Store.open(url) as store:
        note(store)
        with database.write():
            assert store.head().seq == 1
    database.close()


def test_a_database_somebody_holds_is_told(file: Path) -> None:
    url = f"sqlite:///{file}?timeout=0.01"
    with Store.open(url) as store:
        note(store)
        holder = sqlite3.connect(file, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(UnreachableError, match=r"held by another process \(database is locked\): nothing was"):
            note(store)
        holder.close()
        assert note(store).seq == 2


def test_a_file_that_is_no_database_is_left_alone(file: Path) -> None:
    file.write_text("a shopping list\n" * 100)
    with pytest.raises(LedgerError, match=r"damaged or no database .*put a backup in its place"):
        Store.open(f"sqlite:///{file}")
    assert file.read_text() == "a shopping list\n" * 100


def test_a_truncated_file_is_told(file: Path) -> None:
    with Store.open(f"sqlite:///{file}") as store:
        for number in range(50):
            note(store, number)
    os.truncate(file, file.stat().st_size // 2)
    with pytest.raises(LedgerError, match="damaged or no database"), Store.open(f"sqlite:///{file}") as store:
        store.verify()


def test_bytes_that_are_no_text_are_found_by_verification(file: Path) -> None:
    with Store.open(f"sqlite:///{file}") as store:
        head = LedgerHead(1, note(store).sha256)
    for value in ("CAST(x'ff' AS TEXT)", "x'ff'"):
        with sqlite3.connect(file) as owner:
            owner.execute("DROP TRIGGER IF EXISTS ledger_refuses_update")
            owner.execute(f"UPDATE ledger SET payload = {value}, actor = {value}, model = {value}")
        owner.close()
        with Store.open(f"sqlite:///{file}") as store:
            assert words(store.verify([head])) == {"chain": "fail", "anchor": "fail", "intents": "pass"}


def test_a_full_disk_loses_nothing_and_leaves_nothing_half_written(file: Path) -> None:
    url, limit_bytes = f"sqlite:///{file}", 256 * 1024
    Store.open(url).close()
    result = subprocess.run(
        [sys.executable, "-m", "tests.store_writer", url, "fill", str(limit_bytes)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    *lines, refusal = result.stdout.splitlines()
    assert refusal.startswith(f"StorageFullError No room for the ledger in {url}")
    assert "free some space" in refusal

    promised = [LedgerHead(int(seq), sha256) for seq, sha256 in map(str.split, lines)]
    assert len(promised) >= 5
    with Store.open(url) as store:
        assert store.head() == promised[-1]
        assert words(store.verify(promised)) == {"chain": "pass", "anchor": "pass", "intents": "pass"}
        assert note(store).seq == len(promised) + 1


def test_a_schema_that_cannot_be_made_is_left_out_whole(file: Path) -> None:
    with sqlite3.connect(file) as stranger:
        stranger.execute("CREATE TABLE alias_intents (somebody_elses INTEGER)")
    stranger.close()
    with pytest.raises(SeatrialError, match="alias_intents already exists"):
        Store.open(f"sqlite:///{file}")
    with sqlite3.connect(file) as stranger:
        assert stranger.execute("SELECT name FROM sqlite_master").fetchall() == [("alias_intents",)]
    stranger.close()


def test_the_newest_migration_is_the_one_the_release_works_with() -> None:
    from alembic.script import ScriptDirectory

    assert ScriptDirectory(str(Path(migrations.__file__).parent)).get_current_head() == migrations.NEWEST
