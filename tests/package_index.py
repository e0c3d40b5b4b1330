"""A package index and file server on the loopback interface, with the faults real ones have, and packages to serve."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import io
import json
import ssl
import tarfile
import threading
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from seatrial.data.packages import PackageFile

__all__ = ["Answer", "LoopbackServer", "package_file", "serve", "tar_gz", "wheel"]


@dataclass(frozen=True)
class Answer:
    """One answer; `cut_after` bytes the connection is closed, whatever length was announced."""

    body: bytes = b""
    content_type: str = "application/octet-stream"
    status: int = 200
    cut_after: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


class LoopbackServer:
    """What it answers by path (the last answer of a list repeats), and what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, list[Answer]] = {}
        self.requests: list[tuple[str, Mapping[str, str]]] = []
        self.url = ""

    def put(self, path: str, *answers: Answer) -> str:
        """Sets the answers to a path; returns its address."""
        self.answers[path] = list(answers)
        return self.url + path

    def put_package(self, project: str, files: Mapping[str, bytes], *, html: bool = False) -> str:
        """Offers files of a project through the simple API; returns the address of the index."""
        for name, body in files.items():
            self.put(f"/files/{name}", Answer(body))
        if html:
            links = "".join(f'<a href="../../files/{name}#sha256=0">{name}</a><br/>' for name in files)
            page = Answer(f"<!DOCTYPE html><html><body>{links}</body></html>".encode(), "text/html")
        else:
            listed = [{"filename": name, "url": f"../../files/{name}", "hashes": {}} for name in files]
            page = Answer(json.dumps({"files": listed}).encode(), "application/vnd.pypi.simple.v1+json")
        self.put(f"/simple/{project}/", page)
        return f"{self.url}/simple"

    def asked(self, path: str) -> int:
        """How often the path was asked for."""
        return sum(asked == path for asked, _ in self.requests)


@contextlib.contextmanager
def serve(tls: ssl.SSLContext | None = None) -> Iterator[LoopbackServer]:
    """Runs a server in a thread until the block is left."""
    state = LoopbackServer()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.requests.append((self.path, dict(self.headers)))
            answers = state.answers.get(self.path, [Answer(b"no such path", status=404)])
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Type", answer.content_type)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body[: answer.cut_after])

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    state.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def package_file(project: str, filename: str, body: bytes) -> PackageFile:
    """The pin of a package made for a test."""
    return PackageFile(project, "1.0", filename, hashlib.sha256(body).hexdigest(), len(body))


def tar_gz(members: Mapping[str, bytes], *others: tarfile.TarInfo) -> bytes:
    """A .tar.gz of regular files and of `others`, which have no content."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for other in others:
            archive.addfile(other)
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def wheel(members: Mapping[str, bytes]) -> bytes:
    """A zip archive of these files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()
