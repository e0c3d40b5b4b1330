"""Noticing that files have changed."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from seatrial.domain.errors import ConfigError
from seatrial.serving.rereading import Follower, follow


class Noted:
    """Counts how often it was read; the word ``bad`` cannot be."""

    def __init__(self, *paths: Path) -> None:
        self.paths = paths
        self.times = 0

    def reread(self) -> None:
        if any("bad" in path.read_text() for path in self.paths):
            raise ConfigError("It is bad: write something else.")
        self.times += 1


def test_a_change_is_noticed_once(tmp_path: Path) -> None:
    path, other = tmp_path / "a", tmp_path / "b"
    path.write_text("1")
    other.write_text("1")
    source = Noted(path, other)
    follower = Follower(source)
    assert not follower.check()
    path.write_text("two")
    assert follower.check()
    assert not follower.check()
    (tmp_path / "new").write_text("1")
    (tmp_path / "new").rename(other)  # as Kubernetes and editors do
    assert follower.check()
    assert source.times == 2


def test_what_cannot_be_used_is_an_error_in_the_log_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    path = tmp_path / "a"
    path.write_text("1")
    follower = Follower(Noted(path))
    path.write_text("bad")
    assert not follower.check()
    assert not follower.check()
    path.write_text("good again")
    assert follower.check()
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("ERROR", "file not reread"),
        ("INFO", "file reread"),
    ]


def test_a_file_that_is_gone_for_a_moment_is_read_when_it_is_back(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("1")

    class Absent(Noted):
        def reread(self) -> None:
            if not path.exists():
                raise ConfigError("It is gone: put it back.")
            super().reread()

    follower = Follower(Absent(path))
    path.unlink()
    assert not follower.check()
    path.write_text("back")
    assert follower.check()


def test_following_goes_on_until_it_is_ended(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("1")
    source = Noted(path)

    async def scenario() -> None:
        following = asyncio.create_task(follow([source], every_s=0.001))
        await asyncio.sleep(0)  # it has looked for the first time
        for text in ("two", "three!"):
            path.write_text(text)
            seen = source.times
            while source.times == seen:
                await asyncio.sleep(0.001)
        following.cancel()

    asyncio.run(asyncio.wait_for(scenario(), 30))
    asyncio.run(follow([]))
