"""Copies of a sqlite database in use, and places in it that move."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from seatrial.domain.errors import BackupError, StorageFullError, UnreachableError
from seatrial.registry.mlflow_copy import copy_database, move_files, noted_tags
from tests.limits import file_size_limit


def made(path: Path) -> Path:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE runs (id INTEGER, artifact_uri VARCHAR(200), note TEXT)")
        database.execute("CREATE TABLE registered_model_tags (key TEXT, value TEXT, name TEXT)")
        database.execute("INSERT INTO registered_model_tags VALUES ('head', '3:ab', 'm'), ('other', 'x', 'm')")
        rows = [
            (1, "file:///old/home/mlartifacts/1", "/old/home/mlartifacts/1"),
            (2, "file:///old/home", "about file:///old/home/x"),
            (3, "file:///old/homestead/1", None),
        ]
        database.executemany("INSERT INTO runs VALUES (?, ?, ?)", rows)
    return path


def runs(path: Path) -> list[tuple[int, str, str | None]]:
    with closing(sqlite3.connect(path)) as database:
        return database.execute("SELECT * FROM runs ORDER BY id").fetchall()


def test_a_copy_holds_what_was_committed_and_nothing_else(tmp_path: Path) -> None:
    with closing(sqlite3.connect(made(tmp_path / "a.db"))) as writer:
        before = runs(tmp_path / "a.db")
        writer.execute("DELETE FROM runs")  # not committed
        copy_database(tmp_path / "a.db", tmp_path / "b.db")
        writer.rollback()
    assert runs(tmp_path / "b.db") == before


def test_places_below_the_old_directory_move_and_others_stay(tmp_path: Path) -> None:
    path = made(tmp_path / "a.db")
    move_files(path, "file:///old/home", "file:///a%20b/home")
    assert runs(path) == [
        (1, "file:///a%20b/home/mlartifacts/1", "/a b/home/mlartifacts/1"),
        (2, "file:///a%20b/home", "about file:///old/home/x"),
        (3, "file:///old/homestead/1", None),
    ]
    move_files(path, "file:///a%20b/home", "file:///old/home")
    assert runs(path)[0] == (1, "file:///old/home/mlartifacts/1", "/old/home/mlartifacts/1")


def test_tags_are_read_as_far_as_they_can_be(tmp_path: Path) -> None:
    assert noted_tags(made(tmp_path / "a.db"), "head") == ["3:ab"]
    (tmp_path / "b.db").write_bytes(b"no database at all, and longer than a header of one" * 20)
    assert noted_tags(tmp_path / "b.db", "head") == []


def test_what_is_no_database_is_said(tmp_path: Path) -> None:
    (tmp_path / "b.db").write_bytes(b"no database at all, and longer than a header of one" * 20)
    with pytest.raises(UnreachableError, match="cannot be copied"):
        copy_database(tmp_path / "b.db", tmp_path / "c.db")
    with pytest.raises(BackupError, match=r"b\.db is no whole database"):
        move_files(tmp_path / "b.db", "file:///a", "file:///b")


def test_no_room_is_said(tmp_path: Path) -> None:
    made(tmp_path / "a.db")
    with file_size_limit(5000), pytest.raises(StorageFullError, match="No room"):
        copy_database(tmp_path / "a.db", tmp_path / "b.db")
