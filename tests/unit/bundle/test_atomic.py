"""Files that are whole or as they were."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from seatrial.bundle import storage_errors, write_directory_atomically, write_text_atomically
from seatrial.bundle.atomic import _exchange_by_turns
from seatrial.domain.errors import StorageFullError


def test_a_text_is_written_with_its_parents_for_everyone_to_read(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b.txt"
    write_text_atomically(path, "负面\n")
    assert path.read_bytes() == "负面\n".encode()
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert list(path.parent.iterdir()) == [path]


def test_a_text_is_replaced_in_one_step(tmp_path: Path) -> None:
    path = tmp_path / "b.txt"
    write_text_atomically(path, "old")
    with path.open(encoding="utf-8") as reader:
        write_text_atomically(path, "new")
        assert reader.read() == "old"  # who has it open keeps a whole text
    assert path.read_text("utf-8") == "new"


def test_a_text_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "b.txt"
    write_text_atomically(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_text_atomically(path, "half a pair: \ud800")
    assert path.read_text("utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_leaves_the_old_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "b.txt"
    write_text_atomically(path, "old")
    full = os.open("/dev/full", os.O_WRONLY)
    monkeypatch.setattr("tempfile.mkstemp", lambda **_: (full, str(tmp_path / "partial")))
    with pytest.raises(StorageFullError, match="No room to write"):
        write_text_atomically(path, "new")
    assert path.read_text("utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_only_a_lack_of_room_is_renamed() -> None:
    with pytest.raises(FileNotFoundError), storage_errors("try"):
        raise FileNotFoundError


def test_a_directory_of_any_files_is_whole_or_absent(tmp_path: Path) -> None:
    def fill(where: Path) -> None:
        (where / "a").touch()
        raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        write_directory_atomically(tmp_path / "d", fill)
    assert list(tmp_path.iterdir()) == []
    write_directory_atomically(tmp_path / "d", lambda where: (where / "a").touch())
    assert [path.name for path in tmp_path.rglob("*")] == ["d", "a"]


def test_an_empty_directory_in_the_place_is_taken(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    write_directory_atomically(tmp_path / "d", lambda where: (where / "a").touch())
    assert (tmp_path / "d" / "a").exists()


def test_names_that_look_like_patterns_are_names(tmp_path: Path) -> None:
    """What another bundle's writer left is not this one's to remove."""
    other = tmp_path / ".d1.partial-x"
    other.mkdir()
    write_directory_atomically(tmp_path / "d[1]", lambda where: (where / "a").touch())
    assert other.exists()


def test_an_exchange_by_turns_that_fails_puts_the_old_directory_back(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    with pytest.raises(FileNotFoundError):
        _exchange_by_turns(tmp_path / "absent", tmp_path / "old")
    assert list(tmp_path.iterdir()) == [tmp_path / "old"]
