"""The real data plane for tests: its own thread and loop, real sockets on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import uvloop
from prometheus_client.parser import text_string_to_metric_families

from seatrial.bundle import Bundle
from seatrial.config import ServingSettings
from seatrial.domain.inference import InferenceEngine, PredictionRecord, RecordSink
from seatrial.engines.fake_engine import FakeEngine
from seatrial.engines.loading import load_engine
from seatrial.serving.feedback import FeedbackDesk, RecentAnswers
from seatrial.serving.journal import Journal
from seatrial.serving.plane import DataPlane
from seatrial.serving.server import Addresses, Server

__all__ = [
    "BAD_BODIES",
    "Collected",
    "FakeNvml",
    "Held",
    "Response",
    "Running",
    "eventually",
    "in_background",
    "running",
    "waiting_texts",
]

# Bodies that are no request to /predict, by what is wrong with them.
BAD_BODIES = {
    "empty": b"",
    "not JSON": b"texts=fine",
    "cut off": b'{"texts": ["fine"',
    "rubbish after": b'{"texts": ["fine"]} x',
    "null": b"null",
    "a list": b'["fine"]',
    "no texts": b"{}",
    "texts null": b'{"texts": null}',
    "texts a string": b'{"texts": "fine"}',
    "a number among texts": b'{"texts": ["fine", 3]}',
    "null among texts": b'{"texts": [null]}',
    "max_length a string": b'{"texts": ["fine"], "max_length": "128"}',
    "max_length a float": b'{"texts": ["fine"], "max_length": 128.0}',
    "max_length a boolean": b'{"texts": ["fine"], "max_length": true}',
    "max_length beyond numbers": b'{"texts": ["fine"], "max_length": ' + b"9" * 5000 + b"}",
    "unit a number": b'{"texts": ["fine"], "unit": 7}',
    "unit empty": b'{"texts": ["fine"], "unit": ""}',
    "unit too long": b'{"texts": ["fine"], "unit": "' + b"u" * 257 + b'"}',
    "NaN": b'{"texts": ["fine"], "max_length": NaN}',
    "Infinity in an unknown field": b'{"texts": ["fine"], "colour": Infinity}',
    "invalid UTF-8": b'{"texts": ["\xff"]}',
    "a surrogate in UTF-8": b'{"texts": ["\xed\xa0\x80"]}',
    "half an escaped surrogate pair": b'{"texts": ["\\ud83d"]}',
    "the wrong half of a surrogate pair": b'{"texts": ["\\ude00\\ud83d"]}',
    "UTF-16": '{"texts": ["fine"]}'.encode("utf-16"),
    "a raw control character": b'{"texts": ["a\x00b"]}',
    "deep nesting": b'{"texts": ["fine"], "deep": ' + b"[" * 200_000 + b"]" * 200_000 + b"}",
    "deep nesting of objects": b'{"texts": ["fine"], "deep": ' + b'{"a":' * 200_000 + b"1" + b"}" * 200_000 + b"}",
}

_JSON = {"Content-Type": "application/json"}
_WAIT_S = 30.0


class Collected:
    """A sink that keeps all records."""

    def __init__(self) -> None:
        self.records: list[PredictionRecord] = []

    def record(self, record: PredictionRecord) -> None:
        self.records.append(record)


@dataclass(frozen=True)
class Response:
    """Status, headers (names in lower case) and JSON of an answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> str:
        """The sentence of an error; the body must hold nothing else."""
        assert list(self.document) == ["error"]
        assert "Traceback" not in self.document["error"]
        return str(self.document["error"])


@dataclass
class Running:
    """A data plane that answers."""

    server: Server
    loop: asyncio.AbstractEventLoop
    collected: Collected
    ready: threading.Event = field(default_factory=threading.Event)

    @property
    def addresses(self) -> Addresses:
        return self.server.addresses

    def connect(self, *, internal: bool = False) -> http.client.HTTPConnection:
        url = urlsplit(self.addresses.internal_url if internal else self.addresses.public_url)
        return http.client.HTTPConnection(str(url.hostname), url.port, timeout=_WAIT_S)

    def request(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] = _JSON, *, internal: bool = False
    ) -> Response:
        """One request on a connection of its own."""
        with contextlib.closing(self.connect(internal=internal)) as connection:
            connection.request(method, path, body, dict(headers))
            answer = connection.getresponse()
            return Response(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())

    def predict(self, texts: Sequence[str], path: str = "/predict", **fields: Any) -> Response:
        return self.request("POST", path, json.dumps({"texts": list(texts), **fields}))

    def samples(self) -> dict[tuple[str, str], float]:
        """Every series by name and labels, as the internal port gives them."""
        text = self.request("GET", "/metrics", internal=True).body.decode()
        return {
            (sample.name, ",".join(f"{key}={value}" for key, value in sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self.server.stop)


@contextlib.contextmanager
def running(
    bundles: Sequence[Bundle],
    load: Callable[[Bundle], InferenceEngine] = load_engine,
    *,
    wait: bool = True,
    find_bundle: Callable[[str], Bundle] | None = None,
    journal: Journal | None = None,
    **settings: Any,
) -> Iterator[Running]:
    """Serves the bundles until the block ends; free ports, two workers unless `settings` say otherwise.

    Args:
        load: makes the engine of a bundle.
        wait: whether the block begins only when everything is loaded.
        journal: where records and feedback go, if anywhere.
        find_bundle: the bundle of ``MODEL@V``, for versions that are loaded later.
        settings: of section ``[serving]``.
    """
    collected = Collected()
    answers = RecentAnswers()
    sinks: list[RecordSink] = [collected, journal, answers] if journal else [collected]
    chosen = {"port": 0, "internal_port": 0, "grpc": False, "sessions": 2, **settings}
    plane = DataPlane(ServingSettings(**chosen), load, sinks, find_bundle)
    ready = threading.Event()
    desk = FeedbackDesk(journal, answers, plane.metrics) if journal else None
    writing = journal.writing(plane.metrics) if journal else contextlib.nullcontext()
    with writing, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        server = Server(plane, bundles, ready.set, desk)
        run = Running(server, runner.get_loop(), collected, ready)
        failures: list[BaseException] = []

        def serve() -> None:
            try:
                runner.run(server.run())
            except BaseException as error:  # noqa: BLE001  handed to the test's own thread
                failures.append(error)
            finally:
                ready.set()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            if wait:
                assert ready.wait(_WAIT_S)
            if failures:
                raise failures[0]
            yield run
        finally:
            if thread.is_alive():
                run.stop()
            thread.join(_WAIT_S)
            assert not thread.is_alive(), "the server did not stop"
    if failures:
        raise failures[0]


class Held:
    """A fake engine that is busy with its first calls until it is let go."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.let_go = threading.Event()
        self.engine = FakeEngine(script=self._script)

    def _script(self, _call: int) -> float:
        self.entered.release()
        assert self.let_go.wait(60)
        return 0.0

    def load(self, _bundle: Bundle) -> InferenceEngine:
        return self.engine


@contextlib.contextmanager
def in_background(*calls: Callable[[], Any]) -> Iterator[list[Any]]:
    """Runs the calls in threads; their results are in the list once the block has ended."""
    results: list[Any] = []
    with ThreadPoolExecutor(len(calls)) as pool:
        futures = [pool.submit(call) for call in calls]
        yield results
        results += [future.result(60) for future in futures]


def waiting_texts(run: Running) -> int:
    """Texts in the line; no request can ask this without joining it."""
    return run.server._plane._batcher._line.texts


def eventually(condition: Callable[[], bool]) -> None:
    """Waits until the other side of a socket has noticed."""
    deadline_s = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.005)


class FakeNvml:
    """Two GPUs, the second of which does not answer."""

    class NVMLError(Exception):
        pass

    class Memory:
        used = 5 * 2**30

    def __init__(self, driver: bool = True) -> None:
        self.driver = driver

    def nvmlInit(self) -> None:  # noqa: N802  NVIDIA's name
        if not self.driver:
            raise self.NVMLError("Driver Not Loaded")

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802  NVIDIA's name
        return 2

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:  # noqa: N802  NVIDIA's name
        if index == 1:
            raise self.NVMLError("GPU is lost")
        return index

    def nvmlDeviceGetMemoryInfo(self, _handle: int) -> Memory:  # noqa: N802  NVIDIA's name
        return self.Memory()
