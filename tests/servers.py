"""Real servers for tests: found on this machine, started on private sockets, ended by their process id."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

__all__ = ["absent", "find_program", "postgresql"]

_PLACES = ("/usr/lib/postgresql/*/bin",)
_START_S = 60
_STOP_S = 30


def absent(reason: str) -> None:
    """Skips the test for lack of something outside Seatrial; fails it where SEATRIAL_REQUIRE_ALL=1 demands all."""
    if os.environ.get("SEATRIAL_REQUIRE_ALL") == "1":
        pytest.fail(f"{reason} (SEATRIAL_REQUIRE_ALL=1)", pytrace=False)
    pytest.skip(reason)


def find_program(name: str) -> Path:
    """A server's program, on PATH or where Debian keeps it; the newest if there are several."""
    on_path = shutil.which(name)
    if on_path:
        return Path(on_path)
    found = sorted((path for place in _PLACES for path in Path("/").glob(f"{place[1:]}/{name}")), key=_release)
    if not found:
        absent(f"{name} is not installed: make test-servers installs it")
    return found[-1]


@contextlib.contextmanager
def postgresql() -> Iterator[str]:
    """A PostgreSQL server on a unix socket, empty; gives the URL of its database ``postgres``."""
    initdb, postgres = find_program("initdb"), find_program("postgres")
    user = _server_user()
    # Not below pytest's own directory: only its owner may enter that, and a socket's path has at most 107 bytes.
    home = Path(tempfile.mkdtemp(prefix="seatrial-pg-"))
    try:
        if user:
            os.chown(home, pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)
        subprocess.run(
            [initdb, "-D", home / "data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"],
            check=True, stdout=subprocess.DEVNULL, cwd=home, user=user, extra_groups=[] if user else None,
        )  # fmt: skip
        with (home / "log").open("wb") as log:
            server = subprocess.Popen(
                [postgres, "-D", home / "data", "-k", home, "-c", "listen_addresses=", "-c", "fsync=off"],
                stdout=log, stderr=log, cwd=home, user=user, extra_groups=[] if user else None,
            )  # fmt: skip
        try:
            _await_ready(server, home)
            yield f"postgresql://postgres@/postgres?host={home}"
        finally:
            server.send_signal(signal.SIGQUIT)  # at once: the files are thrown away
            try:
                server.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _server_user() -> str | None:
    """Who runs the server: PostgreSQL refuses root."""
    if os.getuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _await_ready(server: subprocess.Popen[bytes], home: Path) -> None:
    import psycopg

    deadline = time.monotonic() + _START_S
    while True:
        try:
            psycopg.connect(host=str(home), user="postgres", dbname="postgres", connect_timeout=2).close()
        except psycopg.OperationalError as error:
            if server.poll() is not None or time.monotonic() > deadline:
                log = (home / "log").read_text("utf-8", "replace")
                raise RuntimeError(f"PostgreSQL did not start:\n{log[-2000:]}") from error
            time.sleep(0.05)
        else:
            return


def _release(path: Path) -> list[int]:
    return [int(part) for part in path.parts if part.isdigit()]
