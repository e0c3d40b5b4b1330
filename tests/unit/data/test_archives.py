from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from seatrial.data.archives import read_tar_members, unpack_wheel_folder, wheel_folder_is_unpacked
from seatrial.domain.errors import SourceError
from tests.package_index import tar_gz, wheel


def read(archive: bytes, *names: str, limit_bytes: int = 2**20) -> dict[str, bytes]:
    return read_tar_members(io.BytesIO(archive), names, limit_bytes=limit_bytes, where="some.tar.gz")


def test_only_the_members_asked_for_are_read() -> None:
    archive = tar_gz({"a/one": b"1", "a/two": b"2", "a/three": b"3"})
    assert read(archive, "a/three", "a/one") == {"a/one": b"1", "a/three": b"3"}


def test_absent_members_are_named() -> None:
    with pytest.raises(SourceError, match=r"some\.tar\.gz has no a/four, a/two"):
        read(tar_gz({"a/one": b"1"}), "a/two", "a/one", "a/four")


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    link = tarfile.TarInfo("rows.txt")
    link.type = tarfile.SYMTYPE
    link.linkname = "/etc/passwd"
    with pytest.raises(SourceError, match=r"has no rows\.txt"):
        read(tar_gz({}, link), "rows.txt")


def test_a_bomb_is_stopped() -> None:
    archive = tar_gz({"zeros": b"\0" * 3_000_000, "rows": b"1"})
    assert len(archive) < 10_000
    with pytest.raises(SourceError, match="unpacks to more than it should"):
        read(archive, "rows", limit_bytes=2_000_000)


@pytest.mark.parametrize("damage", [b"", b"no archive", None])
def test_damaged_archives_are_refused(damage: bytes | None) -> None:
    whole = tar_gz({"rows": bytes(range(256)) * 100})
    with pytest.raises(SourceError, match=r"some\.tar\.gz"):
        read(whole[: len(whole) // 2] if damage is None else damage, "rows")


def write(tmp_path: Path, archive: bytes) -> tuple[Path, Path]:
    path, destination = tmp_path / "some.whl", tmp_path / "out"
    path.write_bytes(archive)
    destination.mkdir()
    return path, destination


def test_a_folder_of_a_wheel_is_unpacked_and_recognised(tmp_path: Path) -> None:
    path, out = write(tmp_path, wheel({"p/model/a.json": b"{}", "p/model/sub/b": b"b", "p/code.py": b"boom"}))
    unpack_wheel_folder(path, "p/model", out, limit_bytes=100)
    assert sorted(file.relative_to(out).as_posix() for file in out.rglob("*") if file.is_file()) == ["a.json", "sub/b"]
    assert wheel_folder_is_unpacked(path, "p/model", out)
    (out / "a.json").write_bytes(b"[]")
    assert not wheel_folder_is_unpacked(path, "p/model", out)


def test_a_folder_with_a_file_too_many_or_too_few_is_not_it(tmp_path: Path) -> None:
    path, out = write(tmp_path, wheel({"p/a": b"a", "p/b": b"b"}))
    unpack_wheel_folder(path, "p", out, limit_bytes=100)
    (out / "c").write_bytes(b"")
    assert not wheel_folder_is_unpacked(path, "p", out)
    (out / "c").unlink()
    (out / "b").unlink()
    assert not wheel_folder_is_unpacked(path, "p", out)


@pytest.mark.parametrize("name", ["p/model/../../../escaped", "p/model\\..\\escaped"])
def test_a_member_that_leads_outside_is_refused(name: str, tmp_path: Path) -> None:
    path, out = write(tmp_path, wheel({name: b"boom", "p/model/a": b"a"}))
    with pytest.raises(SourceError, match=r"leads outside|has no folder"):
        unpack_wheel_folder(path, "p" if "\\" in name else "p/model", out, limit_bytes=100)
    assert list(tmp_path.rglob("*escaped*")) == []


def test_a_wheel_that_unpacks_to_too_much_is_refused_before_a_byte_is_written(tmp_path: Path) -> None:
    path, out = write(tmp_path, wheel({"p/zeros": b"\0" * 3_000_000}))
    with pytest.raises(SourceError, match="more than 1,000,000 bytes"):
        unpack_wheel_folder(path, "p", out, limit_bytes=1_000_000)
    assert list(out.iterdir()) == []


def test_a_wheel_without_the_folder_is_refused(tmp_path: Path) -> None:
    path, out = write(tmp_path, wheel({"q/a": b"a", "pp/b": b"b"}))
    with pytest.raises(SourceError, match="has no folder p"):
        unpack_wheel_folder(path, "p", out, limit_bytes=100)


def test_damaged_wheels_are_refused(tmp_path: Path) -> None:
    whole = wheel({"p/a": bytes(range(256)) * 10})
    path, out = write(tmp_path, whole[: len(whole) // 2])
    with pytest.raises(SourceError, match="no readable wheel"):
        unpack_wheel_folder(path, "p", out, limit_bytes=10_000)
    flipped = bytearray(whole)
    flipped[60] ^= 0xFF
    path.write_bytes(flipped)
    with pytest.raises(SourceError, match="no readable wheel"):
        unpack_wheel_folder(path, "p", out, limit_bytes=10_000)
