"""`seatrial serve` as a process, killed and ended: what was acknowledged is in the journal."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from seatrial.bundle import Bundle
from seatrial.serving.journal_reader import JournalReader
from tests.builders import onnx_bundle
from tests.data_plane import eventually
from tests.journals import all_entries

_JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return onnx_bundle(tmp_path_factory.mktemp("served") / "bundle")


@contextlib.contextmanager
def served(bundle: Bundle, home: Path) -> Iterator[tuple[subprocess.Popen[str], tuple[str, int]]]:
    """The process and the address of its public port."""
    command = [
        sys.executable, "-m", "seatrial.cli", "serve", "--bundle", str(bundle.directory), "--json",
        "--port", "0", "--internal-port", "0", "--grpc-port", "0",
    ]  # fmt: skip
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=home.parent, env={**os.environ, "SEATRIAL_HOME": str(home)}
    )
    try:
        assert process.stdout is not None
        url = urlsplit(_announced(process.stdout)["public"])
        yield process, (str(url.hostname), url.port or 0)
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _announced(lines: Iterable[str]) -> dict[str, str]:
    """The first JSON object that is printed, over however many lines."""
    text = ""
    for line in lines:
        text += line
        with contextlib.suppress(ValueError):
            announcement: dict[str, str] = json.loads(text)
            return announcement
    raise AssertionError(f"no announcement, only: {text}")


class Client(threading.Thread):
    """Asks and tells until the server is gone; keeps what was acknowledged."""

    def __init__(self, address: tuple[str, int], name: str) -> None:
        super().__init__(name=name)
        self.address = address
        self.acknowledged: list[str] = []

    def run(self) -> None:
        connection = http.client.HTTPConnection(*self.address, timeout=30)
        with contextlib.closing(connection), contextlib.suppress(ConnectionError, http.client.HTTPException):
            for i in range(1_000_000):
                answer = self._post(connection, "/predict", {"texts": ["a good film"]})
                told = [
                    {"request_id": answer["request_id"], "index": 0, "label": "positive"},
                    {"request_id": f"{self.name}-{i}", "metric": "paid", "value": i},
                ]
                assert self._post(connection, "/feedback", told) == {"accepted": 2, "duplicates": 0}
                self.acknowledged += [answer["request_id"], f"{self.name}-{i}"]

    def _post(self, connection: http.client.HTTPConnection, path: str, document: Any) -> dict[str, Any]:
        connection.request("POST", path, json.dumps(document), _JSON)
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == 200, body
        parsed: dict[str, Any] = json.loads(body)
        return parsed


def told(directory: Path) -> list[str]:
    """Request ids of all feedback in the journal."""
    facts = [entry.true_label or entry.metric_value for entry in all_entries(directory)]
    return [str(fact.request_id) for fact in facts if fact]


def test_what_was_acknowledged_before_a_kill_or_an_end_is_in_the_journal(bundle: Bundle, tmp_path: Path) -> None:
    home = tmp_path / "home"
    acknowledged: list[str] = []
    for end in ("kill", "kill", "terminate"):
        with served(bundle, home) as (process, address):
            clients = [Client(address, f"{end}-{len(acknowledged)}-{i}") for i in range(4)]
            for client in clients:
                client.start()
            eventually(lambda: sum(len(client.acknowledged) for client in clients) > 100)  # noqa: B023  called here
            getattr(process, end)()
            for client in clients:
                client.join(60)
                acknowledged += client.acknowledged
            code = process.wait(30)
        assert (code == 0) == (end == "terminate")
        found = told(home / "journal")
        assert set(acknowledged) <= set(found)
        assert len(found) == len(set(found)), "nothing is written twice"
    damaged = JournalReader(home / "journal").read("", 10_000).damaged
    assert damaged <= 2, "a kill tears at most the line that was being written"
    answered = [entry.prediction.request_id for entry in all_entries(home / "journal") if entry.prediction]
    last = [request_id for request_id in clients[0].acknowledged if not request_id.startswith("terminate")]
    assert last
    assert set(last) <= set(answered), "an end that is not a kill writes every record"


def test_a_journal_that_is_off_writes_nothing(bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEATRIAL_SERVING__JOURNAL", "off")
    with served(bundle, tmp_path / "home") as (process, address):
        connection = http.client.HTTPConnection(*address, timeout=30)
        with contextlib.closing(connection):
            for path, document, status in (("/predict", {"texts": ["good"]}, 200), ("/feedback", {}, 404)):
                connection.request("POST", path, json.dumps(document), _JSON)
                answer = connection.getresponse()
                answer.read()
                assert answer.status == status
        process.terminate()
        assert process.wait(30) == 0
    assert not (tmp_path / "home" / "journal").exists()
