"""A client that says exactly the bytes it is told to, however wrong they are."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from tests.data_plane import Running

__all__ = ["RawClient", "predict_bytes", "raw_client"]

_WAIT_S = 30.0


class RawClient:
    """One connection."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def send(self, sent: bytes) -> None:
        self._connection.sendall(sent)

    def try_to_send(self, sent: bytes) -> bool:
        """Whether the connection still took these bytes."""
        try:
            self._connection.sendall(sent)
        except OSError:
            return False
        return True

    def until(self, words: bytes) -> bytes:
        """What comes up to and including these bytes; fails where they do not come."""
        received = b""
        while words not in received:
            chunk = self._connection.recv(65536)
            assert chunk, f"the connection ended after {received!r}"
            received += chunk
        return received

    def to_the_end(self) -> bytes:
        """What comes until the server closes the connection."""
        received = b""
        with contextlib.suppress(ConnectionResetError):
            while chunk := self._connection.recv(65536):
                received += chunk
        return received

    def dribble(self, pieces: Iterable[bytes], every_s: float = 0.02) -> int:
        """Sends piece by piece until the server answers or leaves; how many pieces went."""
        count = 0
        for count, piece in enumerate(pieces):
            if self.answered() or not self.try_to_send(piece):
                return count
            time.sleep(every_s)
        return count

    def half_close(self) -> None:
        self._connection.shutdown(socket.SHUT_WR)

    def answered(self) -> bool:
        """Whether the server has said something or has gone."""
        self._connection.setblocking(False)
        try:
            self._connection.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            pass
        finally:
            self._connection.settimeout(_WAIT_S)
        return True


@contextlib.contextmanager
def raw_client(run: Running, *, receive_buffer_bytes: int = 0) -> Iterator[RawClient]:
    """A connection to the public port."""
    url = urlsplit(run.addresses.public_url)
    with socket.socket() as connection:
        if receive_buffer_bytes:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        connection.settimeout(_WAIT_S)
        connection.connect((str(url.hostname), url.port or 0))
        yield RawClient(connection)


def predict_bytes(body: bytes = b'{"texts": ["good"]}', *headers: bytes, length: int | None = None) -> bytes:
    """A whole request to /predict; `length` is what it declares, the body's own by default."""
    declared = len(body) if length is None else length
    lines = [
        b"POST /predict HTTP/1.1",
        b"Host: x",
        b"Content-Type: application/json",
        b"Content-Length: %d" % declared,
        *headers,
    ]
    return b"\r\n".join([*lines, b"", body])
