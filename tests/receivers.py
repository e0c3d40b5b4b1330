"""Somebody who is told: an HTTP server that keeps what it gets and answers as a test wants."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["Receiver", "receiving"]


@dataclass
class Receiver:
    """What came, and what is answered.

    Attributes:
        answers: statuses of the next answers; 204 when there are none left.
        headers: sent with each answer.
        before_answering: called with the body before the answer; may wait.
    """

    url: str = ""
    answers: list[int] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    before_answering: Callable[[bytes], None] = lambda _body: None
    came: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    taken: list[bytes] = field(default_factory=list)
    news: threading.Condition = field(default_factory=threading.Condition)

    @property
    def documents(self) -> list[Any]:
        """The bodies it took."""
        return [json.loads(body) for body in self.taken]

    @property
    def ids(self) -> list[str]:
        """The ids of all messages that came, taken or not."""
        return [headers["webhook-id"] for _, headers, _ in self.came]

    def wait_for(self, count: int, within_s: float = 60.0) -> None:
        """Waits until so many messages were taken."""
        with self.news:
            assert self.news.wait_for(lambda: len(self.taken) >= count, within_s), self.came

    def get(self, path: str, headers: dict[str, str], body: bytes) -> int:
        """Takes a message in; the status to answer."""
        self.before_answering(body)
        with self.news:
            status = self.answers.pop(0) if self.answers else 204
            self.came.append((path, headers, body))
            if 200 <= status < 300:
                self.taken.append(body)
            self.news.notify_all()
        return status


@contextlib.contextmanager
def receiving(given: Receiver | None = None, port: int = 0) -> Iterator[Receiver]:
    """Listens while the block lasts."""
    receiver = given or Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status = receiver.get(self.path, headers, body)
            with contextlib.suppress(ConnectionError):  # who asked may have gone
                self.send_response(status)
                for name, value in receiver.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", "0")
                self.send_header("connection", "close")
                self.end_headers()
            self.close_connection = True

        def log_message(self, *_said: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    receiver.url = f"http://127.0.0.1:{server.server_port}/hooks/secret-path"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
