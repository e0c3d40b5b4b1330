"""Files that may change while the server runs (keys, certificates): read again when they do."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from seatrial.domain.errors import ConfigError

__all__ = ["Follower", "Rereadable", "follow"]

logger = logging.getLogger(__name__)

_EVERY_S = 2.0
_Stamp = tuple[int, int, int]


class Rereadable(Protocol):
    """Something made from files."""

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files."""
        ...

    def reread(self) -> None:
        """Takes the files as they are now, or raises ConfigError and stays as it was."""
        ...


class Follower:
    """Notices when the files of something change.

    Args:
        source: read just now.
    """

    def __init__(self, source: Rereadable) -> None:
        self._source = source
        self._seen = self._stamps()

    def check(self) -> bool:
        """Rereads what has changed since the last check; whether there was something, and it could be used.

        By date, size and inode, for the way Kubernetes renews mounted secrets and editors save files; no signal is
        needed, so it works where nobody can send one.
        """
        stamps = self._stamps()
        if stamps == self._seen:
            return False
        self._seen = stamps
        names = ", ".join(str(path) for path in self._source.paths)
        try:
            self._source.reread()
        except ConfigError as error:
            logger.error("file not reread", extra={"files": names, "reason": str(error)})  # noqa: TRY400  said in full
            return False
        logger.info("file reread", extra={"files": names})
        return True

    def _stamps(self) -> tuple[_Stamp | None, ...]:
        return tuple(map(_stamp, self._source.paths))


async def follow(sources: Sequence[Rereadable], every_s: float = _EVERY_S) -> None:
    """Checks the files of all sources again and again, until it is cancelled."""
    followers = [Follower(source) for source in sources]
    while followers:
        await asyncio.sleep(every_s)
        for follower in followers:
            follower.check()


def _stamp(path: Path) -> _Stamp | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
