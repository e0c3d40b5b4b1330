"""Who asks: what the control plane takes from the data plane's ways of telling people apart."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from seatrial.domain.errors import ConfigError

if TYPE_CHECKING:
    from seatrial.serving.rereading import Follower, Rereadable

__all__ = ["follower_of", "is_local", "listen", "new_key", "status_of"]


def follower_of(source: Rereadable) -> Follower:
    """Rereads what was made from files when they change; see `serving.rereading`."""
    from seatrial.serving.rereading import Follower

    return Follower(source)


def is_local(peer: str | None, host: str | None, origin: str | None) -> bool:
    """Whether a request comes from this machine and from no web page; see `serving.internal_access`."""
    from seatrial.serving.internal_access import is_local

    return is_local(peer, host, origin)


def new_key() -> str:
    """A key nobody can guess."""
    from seatrial.serving.api_keys import new_key

    return new_key()


def status_of(kind: type[Exception]) -> int:
    """The HTTP status of an error class; see `serving.http_errors`."""
    from seatrial.serving.http_errors import status_of

    return status_of(kind)


def listen(host: str, port: int) -> tuple[socket.socket, str]:
    """A socket that listens there, and where a client on this machine reaches it; 0 takes a free port.

    Raises:
        ConfigError: nothing can listen there.
    """
    from seatrial.serving.listeners import url_of

    try:
        listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise ConfigError(
            f"Cannot listen on {host}:{port} ({error.strerror}): end what uses it, or set control.port to another "
            "port, 0 for any that is free."
        ) from error
    return listener, url_of(listener)
