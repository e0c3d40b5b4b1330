"""The sockets a data plane listens on."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from pathlib import Path

from seatrial.domain.errors import ConfigError

__all__ = ["BACKLOG", "listen_on_path", "listen_on_port", "remove_socket", "url_of"]

BACKLOG = 2048
_LONGEST_PATH_BYTES = 107
_MODE = 0o660
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  an address to translate, not to bind
"""What to call, on this machine, a server that listens on every address."""


def listen_on_port(host: str, port: int, setting: str) -> socket.socket:
    """A listening TCP socket.

    Args:
        setting: the key under ``[serving]`` that names the port, for the message.

    Raises:
        ConfigError: the address cannot be listened on.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise ConfigError(
            f"Cannot listen on {host}:{port} ({error.strerror}): end what uses it, or set serving.{setting} to another "
            "port, 0 for any that is free."
        ) from error


def listen_on_path(path: Path) -> socket.socket:
    """A listening Unix domain socket that its owner and group may connect to; one that a dead server left is replaced.

    Raises:
        ConfigError: the path is in use, is something else, is too long, or cannot be made.
    """
    if len(os.fsencode(path)) > _LONGEST_PATH_BYTES:
        raise ConfigError(
            f"serving.uds: {path} is longer than {_LONGEST_PATH_BYTES} bytes, the system's limit: choose a shorter one."
        )
    _make_room(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(os.fspath(path))
        path.chmod(_MODE)  # before it listens: nobody can have connected yet
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"serving.uds: cannot listen on {path} ({error.strerror}): name a path in a directory you may write to."
        ) from error
    return listener


def remove_socket(path: Path) -> None:
    """Takes away the file of a socket that is closed, unless another server listens there by now."""
    with contextlib.suppress(OSError):
        if not _answers(path):
            path.unlink()


def url_of(listener: socket.socket, *, tls: bool = False) -> str:
    """Where a client on this machine reaches the listener: ``http://…``, ``https://…``, or ``unix:<path>``."""
    if listener.family == socket.AF_UNIX:
        return f"unix:{listener.getsockname()}"
    host, port = listener.getsockname()[:2]
    host = _ANYWHERE.get(host, host)
    scheme = "https" if tls else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def _make_room(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except OSError:
        return  # absent, or bind will say what is wrong with it
    if not stat.S_ISSOCK(mode):
        raise ConfigError(f"serving.uds: {path} exists and is no socket: move it away, or choose another path.")
    if _answers(path):
        raise ConfigError(f"serving.uds: another server listens on {path}: end it, or choose another path.")
    with contextlib.suppress(OSError):
        path.unlink()


def _answers(path: Path) -> bool:
    """Whether somebody listens there; a backlog that is full counts as somebody."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        return probe.connect_ex(os.fspath(path)) not in (errno.ECONNREFUSED, errno.ENOENT)
