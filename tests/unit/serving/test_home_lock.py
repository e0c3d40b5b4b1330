"""One data plane a home."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from seatrial.domain.errors import ConfigError, StorageFullError
from seatrial.serving.home_lock import only_data_plane
from tests.limits import file_size_limit

_HOLDER = """
import sys, time
from pathlib import Path
from seatrial.serving.home_lock import only_data_plane

with only_data_plane(Path(sys.argv[1])):
    print("holds", flush=True)
    time.sleep(600)
"""


def test_the_second_is_told_who_has_it_and_a_killed_one_has_it_no_more(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with subprocess.Popen([sys.executable, "-c", _HOLDER, str(home)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "holds\n"
        with pytest.raises(ConfigError, match=f"already, process {holder.pid}: end it"), only_data_plane(home):
            pass
        holder.kill()
    with only_data_plane(home):
        assert (home / "data-plane.lock").read_text() == str(os.getpid())
    with only_data_plane(home), only_data_plane(tmp_path / "another"):
        pass


def test_no_room_for_it_is_told(tmp_path: Path) -> None:
    with file_size_limit(0), pytest.raises(StorageFullError, match="No room"), only_data_plane(tmp_path):
        pass


def test_a_home_that_cannot_be_written_needs_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refused)  # root, whom tests may run as, is refused nothing
    with only_data_plane(tmp_path):
        pass
    monkeypatch.undo()
    with pytest.raises(FileExistsError), only_data_plane(Path(__file__)):
        pass
