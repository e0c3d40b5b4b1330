"""How the data plane starts and how it ends."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from seatrial.bundle import Bundle
from seatrial.config import ServingSettings
from seatrial.domain.errors import ConfigError, RefusedArtifactError, UsageError
from seatrial.engines.loading import load_engine
from seatrial.serving.api_keys import key_line
from seatrial.serving.plane import DataPlane
from seatrial.serving.server import Server
from tests.builders import onnx_bundle, random_texts
from tests.data_plane import Held, eventually, in_background, running


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return onnx_bundle(tmp_path_factory.mktemp("served") / "bundle")


def test_a_port_in_use_is_a_sentence(bundle: Bundle) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for setting in ("port", "internal_port"):
            settings = ServingSettings(**{"port": 0, "internal_port": 0, "grpc": False, setting: port})
            with pytest.raises(ConfigError, match=rf"127\.0\.0\.1:{port}.*serving\.{setting} "):
                Server(DataPlane(settings, load_engine), [bundle])


def test_what_may_not_be_served_ends_the_server_with_the_reason(tmp_path: Path) -> None:
    refused = onnx_bundle(tmp_path / "refused", findings=())
    with pytest.raises(RefusedArtifactError), running([refused]):
        pass
    with pytest.raises(UsageError, match="nothing to serve"), running([]):
        pass
    whole = onnx_bundle(tmp_path / "whole")
    with pytest.raises(UsageError, match="named twice"), running([whole, whole]):
        pass


def test_draining_answers_what_runs_and_says_no_to_probes(bundle: Bundle) -> None:
    held = Held()
    with running([bundle], held.load, sessions=1) as run:
        with in_background(lambda: run.predict(["good"]), lambda: run.predict(["good"] * 3)) as answers:
            held.entered.acquire()
            eventually(lambda: run.samples()["inference_in_flight", ""] == 2)
            run.stop()
            eventually(lambda: run.request("GET", "/ready", internal=True).status == 503)
            assert run.request("GET", "/health", internal=True).status == 200
            held.let_go.set()
        assert [answer.status for answer in answers] == [200, 200]


def test_who_is_still_waiting_when_the_time_to_drain_is_over_is_told(
    bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("CRITICAL")
    held = Held()
    with running([bundle], held.load, sessions=1, drain_s=1.0) as run:
        with in_background(lambda: run.predict(["good"]), lambda: run.predict(["good"])) as answers:
            held.entered.acquire()
            eventually(lambda: run.samples()["inference_in_flight", ""] == 2)
            run.stop()
        held.let_go.set()
        assert [answer.status for answer in answers] == [503, 503]
        assert all("shut" in answer.error for answer in answers)


def test_stopping_twice_cuts_running_requests_off(bundle: Bundle) -> None:
    held = Held()
    with running([bundle], held.load, sessions=1) as run:
        with in_background(lambda: run.predict(["good"])) as answers:
            held.entered.acquire()
            run.stop()
            run.stop()
        held.let_go.set()
        assert answers[0].status == 503


SERVE = """
import collections, gc, json, sys
from pathlib import Path
from seatrial.bundle import Bundle
from seatrial.config import ServingSettings
from seatrial.engines.loading import load_engine
from seatrial.serving.api_keys import key_line
from seatrial.serving.plane import DataPlane
from seatrial.serving.server import serve

class Tally:
    def __init__(self): self.outcomes = collections.Counter()
    def record(self, record): self.outcomes[record.outcome.value] += 1

tally = Tally()
plane = DataPlane(ServingSettings(port=0, internal_port=0, grpc=False), load_engine, [tally])
serve(plane, [Bundle.open(Path(sys.argv[1]))],
      announce=lambda addresses: print(addresses.public_url, flush=True), on_ready=lambda: print("ready", flush=True))
heavy = [name for name in ("torch", "transformers", "mlflow", "scipy", "sqlalchemy") if name in sys.modules]
searched = len(gc.get_objects())  # those that are frozen are not among them
print(json.dumps({"outcomes": tally.outcomes, "heavy": heavy, "searched": searched, "frozen": gc.get_freeze_count()}))
"""


@contextlib.contextmanager
def served_by_a_process(bundle: Bundle) -> Iterator[tuple[subprocess.Popen[str], tuple[str, int]]]:
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, bundle.directory], stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    try:
        assert process.stdout is not None
        url = urlsplit(process.stdout.readline().strip())
        assert process.stdout.readline() == "ready\n"
        yield process, (str(url.hostname), url.port or 0)
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def test_sigterm_under_load_answers_every_request_it_took_and_exits_0(bundle: Bundle) -> None:
    signalled = threading.Event()
    unanswered: list[Exception] = []

    def client(address: tuple[str, int], seed: int) -> int:
        """Asks until the server is gone; how many answers came."""
        texts, _ = random_texts(20, seed)
        answered = 0
        connection = http.client.HTTPConnection(*address, timeout=30)
        try:
            while True:
                body = json.dumps({"texts": texts[: 1 + answered % 20]})
                connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
                answer = connection.getresponse()
                assert len(json.loads(answer.read())["predictions"]) == 1 + answered % 20
                answered += 1
        except (ConnectionError, http.client.RemoteDisconnected) as error:
            if not signalled.is_set():
                unanswered.append(error)
            return answered
        finally:
            connection.close()

    with served_by_a_process(bundle) as (process, address), ThreadPoolExecutor(8) as pool:
        clients = [pool.submit(client, address, seed) for seed in range(8)]
        time.sleep(0.7)
        signalled.set()
        process.terminate()
        answered = sum(future.result(60) for future in clients)
        output, _ = process.communicate(timeout=60)
        report = json.loads(output)
        assert process.returncode == 0
        assert unanswered == []
        assert answered > 8
        assert report["outcomes"] == {"success": answered}, "what the server counted is what clients received"
        assert report["heavy"] == []
        assert report["frozen"] > report["searched"], "garbage is looked for in what requests made only"


def test_an_interrupt_ends_an_idle_server_with_0(bundle: Bundle) -> None:
    with served_by_a_process(bundle) as (process, address), socket.create_connection(address):
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0


def test_requests_that_still_come_are_answered_while_load_balancers_look_elsewhere(bundle: Bundle) -> None:
    with running([bundle], drain_delay_s=0.5) as run, contextlib.closing(run.connect()) as old:
        old.request("GET", "/ready")
        assert (answer := old.getresponse()).read()
        assert answer.status == 200
        run.stop()
        eventually(lambda: run.request("GET", "/ready").status == 503)
        for connection in (old, run.connect()):
            connection.request("POST", "/predict", '{"texts": ["good"]}', {"Content-Type": "application/json"})
            answer = connection.getresponse()
            assert json.loads(answer.read())["predictions"] == ["positive"]
            assert answer.status == 200
            assert answer.headers["connection"] == "close", "the client shall look for another server"
            connection.close()


def test_a_request_on_its_way_over_an_open_connection_is_answered_after_the_port_has_closed(bundle: Bundle) -> None:
    with running([bundle]) as run, contextlib.closing(run.connect()) as old:
        old.request("GET", "/health")
        old.getresponse().read()
        run.stop()
        eventually(lambda: not run.server._public.servers[0].is_serving())
        old.request("POST", "/predict", '{"texts": ["good"]}', {"Content-Type": "application/json"})
        answer = old.getresponse()
        assert json.loads(answer.read())["predictions"] == ["positive"]
        assert answer.headers["connection"] == "close"


def test_an_interrupt_during_the_delay_ends_it(bundle: Bundle) -> None:
    with running([bundle], drain_delay_s=1000.0) as run:
        run.stop()
        run.stop()


def test_slow_clients_do_not_hold_up_the_end(bundle: Bundle) -> None:
    with running([bundle], headers_s=1000.0, drain_s=1000.0) as run:
        url = urlsplit(run.addresses.public_url)
        with socket.create_connection((str(url.hostname), url.port or 0)) as slow:
            slow.sendall(b"POST /predict HTTP/1.1\r\nHost")
            run.stop()
            slow.settimeout(30)
            assert slow.recv(1) == b""


def test_after_a_kill_the_next_process_serves_on_the_same_socket(bundle: Bundle, tmp_path: Path) -> None:
    path = tmp_path / "plane.sock"
    (tmp_path / "seatrial.toml").write_text('[serving]\napi_keys_file = "keys"\ninternal_port = 0\n')
    (tmp_path / "keys").write_text(key_line("test", "right"))
    arguments = ["serve", "--bundle", str(bundle.directory), "-C", str(tmp_path), "--uds", path.name, "--json"]
    for end in (signal.SIGKILL, signal.SIGTERM):
        with subprocess.Popen(
            [sys.executable, "-m", "seatrial.cli", *arguments], cwd=tmp_path, stdout=subprocess.PIPE, text=True
        ) as process:
            try:
                assert process.stdout is not None
                printed = ""
                while not printed.endswith("}\n"):
                    line = process.stdout.readline()
                    assert line, "it ended"
                    printed += line
                assert json.loads(printed)["public"] == f"unix:{path}"
                with httpx.Client(transport=httpx.HTTPTransport(uds=str(path))) as client:
                    answer = client.post(
                        "http://plane/predict", json={"texts": ["good"]}, headers={"Authorization": "Bearer right"}
                    )
                assert answer.json()["predictions"] == ["positive"]
                assert path.exists()
            finally:
                process.send_signal(end)
            process.wait(30)
    assert process.returncode == 0
    assert not path.exists()
