"""The data plane over real HTTP, with real sockets, a real graph and ONNX Runtime."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from seatrial.bundle import Bundle
from seatrial.config import ServingSettings
from seatrial.domain.errors import ConfigError, RefusedArtifactError, UsageError
from seatrial.domain.inference import InferenceEngine, Outcome
from seatrial.engines.fake_engine import FakeEngine
from seatrial.engines.loading import load_engine
from seatrial.serving.plane import DataPlane
from seatrial.serving.server import Server
from tests.builders import MAX_TOKENS, onnx_bundle, random_texts
from tests.data_plane import BAD_BODIES, Running, running

LIMITS: dict[str, Any] = {"max_texts": 20, "max_text_chars": 1000, "max_body_bytes": 200_000}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return onnx_bundle(tmp_path_factory.mktemp("served") / "bundle")


@pytest.fixture(scope="module")
def plane(bundle: Bundle) -> Iterator[Running]:
    with running([bundle], **LIMITS) as run:
        yield run


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


def eventually(condition: Callable[[], bool]) -> None:
    """Waits until the other side of a socket has noticed."""
    deadline_s = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.005)


# ---------------------------------------------------------------------------------------------------- good answers


def test_texts_get_labels_and_probabilities_in_their_order(plane: Running) -> None:
    answer = plane.predict(["a good great film", "awful dull plot", "superb"])
    assert answer.status == 200
    document = answer.document
    assert document["predictions"] == ["positive", "negative", "positive"]
    assert [len(row) for row in document["probabilities"]] == [2, 2, 2]
    assert all(sum(row) == pytest.approx(1, abs=1e-6) for row in document["probabilities"])
    assert 0 < document["latency_ms"] < 30_000
    assert (document["model"], document["version"]) == ("tiny", "1")
    assert document["request_id"] == answer.headers["x-request-id"]
    assert answer.headers["content-type"] == "application/json"
    assert "x-seatrial-max-length" not in answer.headers


def test_the_model_can_be_named_in_the_path(plane: Running) -> None:
    assert plane.predict(["good"], "/models/tiny/predict").document["predictions"] == ["positive"]


def test_a_request_id_is_taken_over_and_a_dangerous_one_replaced(plane: Running) -> None:
    def ask(request_id: str) -> str:
        headers = {"Content-Type": "application/json", "X-Request-Id": request_id}
        return plane.request("POST", "/predict", '{"texts": ["good"]}', headers).headers["x-request-id"]

    assert ask("order-17:retry/2") == "order-17:retry/2"
    for bad in ("x" * 129, "a b", "", "é", '"><script>'):
        assert ask(bad) != bad
        assert len(ask(bad)) == 32


def test_a_length_above_the_models_is_clipped_and_said(plane: Running) -> None:
    for asked in (MAX_TOKENS + 1, 10**9, 10**30):
        answer = plane.predict(["good"], max_length=asked)
        assert (answer.status, answer.headers["x-seatrial-max-length"]) == (200, str(MAX_TOKENS))
    assert "x-seatrial-max-length" not in plane.predict(["good"], max_length=MAX_TOKENS).headers


def test_a_shorter_length_cuts_the_text(plane: Running) -> None:
    text = "good film awful awful awful"
    assert plane.predict([text]).document["predictions"] == ["negative"]
    assert plane.predict([text], max_length=4).document["predictions"] == ["positive"]


def test_unknown_fields_a_unit_and_nulls_are_fine(plane: Running) -> None:
    assert plane.predict(["good"], unit="user-17", colour={"a": [1]}, max_length=None).status == 200


def test_every_kind_of_text_gets_an_answer(plane: Running) -> None:
    texts = ["good", "\x00", "​", "😀" * 30, "这 部 电影", "ա" * 1000, "word" * 250, ". . .", "<script>", "a\r\nb"]
    assert len(plane.predict(texts).document["predictions"]) == len(texts)


def test_a_text_of_just_the_limit_and_as_many_texts_as_allowed(plane: Running) -> None:
    assert plane.predict(["good " * 200]).status == 200
    assert len(plane.predict(["good"] * 20).document["predictions"]) == 20


def test_a_chunked_body_is_read(plane: Running) -> None:
    chunks = iter([b'{"texts": ["go', b'od film"]', b"}"])
    assert plane.request("POST", "/predict", chunks).document["predictions"] == ["positive"]


def test_two_hundred_requests_at_once_get_the_answers_they_get_alone(plane: Running) -> None:
    texts, _ = random_texts(300, seed=5)
    requests = [texts[i : i + 1 + i % 13] for i in range(200)]
    alone = [plane.predict(request).document for request in requests[:40]]
    with ThreadPoolExecutor(32) as pool:
        together = list(pool.map(lambda request: plane.predict(request), requests))
    assert {answer.status for answer in together} == {200}
    for request, answer in zip(requests, together, strict=True):
        assert len(answer.document["predictions"]) == len(request)
    by_text = {
        text: row
        for request, answer in zip(requests, together, strict=True)
        for text, row in zip(request, answer.document["probabilities"], strict=True)
    }
    for request, document in zip(requests[:40], alone, strict=True):
        for text, row in zip(request, document["probabilities"], strict=True):
            assert row == pytest.approx(by_text[text], abs=1e-5)


# ---------------------------------------------------------------------------------------------------- bad requests


@pytest.mark.parametrize("what", BAD_BODIES)
def test_a_body_that_is_no_request_is_a_400(plane: Running, what: str) -> None:
    body = BAD_BODIES[what]
    answer = plane.request("POST", "/predict", body)
    assert answer.status == (413 if len(body) > LIMITS["max_body_bytes"] else 400)
    assert answer.error


@pytest.mark.parametrize(
    ("texts", "place"),
    [([], "texts is empty"), (["good", ""], r"texts[1]"), (["good", "x", " \t\n\u3000"], "texts[2]")],
)
def test_texts_that_say_nothing_are_a_400_that_names_the_place(plane: Running, texts: list[str], place: str) -> None:
    answer = plane.predict(texts)
    assert answer.status == 400
    assert place in answer.error


@pytest.mark.parametrize("length", [0, -1, 1, 2, -(10**30)])
def test_a_length_without_room_for_text_is_a_400(plane: Running, length: int) -> None:
    answer = plane.predict(["good"], max_length=length)
    assert answer.status == 400
    assert "max_length" in answer.error


def test_too_much_of_anything_is_a_413_that_names_the_limit(plane: Running) -> None:
    for texts, limit in ((["good"] * 21, "at most 20"), (["good", "x" * 1001], "texts[1] has 1001")):
        answer = plane.predict(texts)
        assert answer.status == 413
        assert limit in answer.error
    assert plane.request("POST", "/predict", b" " * 200_001).status == 413
    assert plane.request("POST", "/predict", iter([b" " * 50_000] * 5)).status == 413


def test_the_connection_goes_on_after_a_body_that_was_refused_unread(plane: Running) -> None:
    with contextlib.closing(plane.connect()) as connection:
        for body, status in ((b" " * 300_000, 413), (b'{"texts": ["good"]}', 200)):
            connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            assert answer.status == status


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json; charset=utf-16"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
def test_a_body_declared_as_something_else_is_a_415(plane: Running, headers: dict[str, str]) -> None:
    answer = plane.request("POST", "/predict", '{"texts": ["good"]}', headers)
    assert answer.status == 415
    assert answer.error


def test_a_body_without_a_declared_type_is_read(plane: Running) -> None:
    assert plane.request("POST", "/predict", '{"texts": ["good"]}', {}).status == 200


def test_an_unknown_model_path_or_method_says_what_there_is(plane: Running) -> None:
    answer = plane.predict(["good"], "/models/nope/predict")
    assert answer.status == 404
    assert "tiny" in answer.error
    for path in ("/", "/predict/", "/models", "/models/a/b/predict", "/v3", "/%2e%2e/etc/passwd"):
        answer = plane.request("POST", path, "{}")
        assert answer.status == 404
        assert "/predict" in answer.error
    for method, path in (("GET", "/predict"), ("DELETE", "/models/tiny/predict"), ("PUT", "/health")):
        answer = plane.request(method, path)
        assert answer.status == 405
        assert answer.headers["allow"] in answer.error


def raw(plane: Running, sent: bytes, *, half_close: bool = False) -> bytes:
    """What comes back for these very bytes, up to the end of the connection or a pause."""
    url = urlsplit(plane.addresses.public_url)
    with socket.create_connection((str(url.hostname), url.port or 0), timeout=2) as connection:
        connection.sendall(sent)
        if half_close:
            connection.shutdown(socket.SHUT_WR)
        received = b""
        with contextlib.suppress(TimeoutError, ConnectionResetError):
            while chunk := connection.recv(65536):
                received += chunk
                if b'"}' in received:
                    break
        return received


@pytest.mark.parametrize("declared", [b"-1", b"abc", b"5, 7", b"99999999999999999999999999"])
def test_a_content_length_that_is_none_gets_a_4xx(plane: Running, declared: bytes) -> None:
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: " + declared
    status = raw(plane, head + b"\r\n\r\n{}").split()[1]
    assert status in (b"400", b"413")


def test_a_content_length_shorter_than_the_body_reads_that_much(plane: Running) -> None:
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 5\r\n\r\n"
    assert raw(plane, head + b'{"texts": ["good"]}').startswith(b"HTTP/1.1 400")


def test_a_body_that_does_not_arrive_is_a_408(bundle: Bundle) -> None:
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n"
    with running([bundle], deadline_s=0.2) as run:
        assert raw(run, head + b'{"texts": ["go').startswith(b"HTTP/1.1 408")
        eventually(lambda: bool(run.collected.records))
        assert run.collected.records[0].outcome is Outcome.INVALID


def test_a_slow_client_holds_up_nobody(plane: Running) -> None:
    url = urlsplit(plane.addresses.public_url)
    body = b'{"texts": ["good film"]}'
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    with socket.create_connection((str(url.hostname), url.port or 0), timeout=30) as connection:
        connection.sendall(head % len(body))
        for byte in body[:-1]:
            connection.sendall(bytes([byte]))
        assert plane.predict(["awful"]).document["predictions"] == ["negative"]
        connection.sendall(body[-1:])
        assert b"positive" in connection.recv(65536)


# ---------------------------------------------------------------------------------- overload, deadlines, departures


def test_overload_is_a_503_that_says_when_to_come_back_and_passes(bundle: Bundle) -> None:
    held = Held()
    with running([bundle], held.load, sessions=1, max_queue_texts=4) as run:
        with in_background(lambda: run.predict(["good"]), lambda: run.predict(["good"] * 4)) as answers:
            held.entered.acquire()
            eventually(lambda: run.samples()["inference_in_flight", ""] == 2)
            refusals = [run.predict(["good"] * count) for count in (4, 4)]
            assert run.predict(["good"] * 5).status == 413, "more than the queue holds could never be served"
            held.let_go.set()
        assert [answer.status for answer in answers] == [200, 200]
        for refusal in refusals:
            assert refusal.status == 503
            assert 1 <= int(refusal.headers["retry-after"]) <= 60
            assert "Retry-After" in refusal.error
        assert run.predict(["good"] * 4).status == 200
        seen = run.samples()
        assert seen["inference_rejected_total", "reason=queue_full"] == 2
        assert seen["inference_requests_total", "model=tiny,status=rejected,version=1"] == 2


def test_a_request_whose_time_is_over_is_a_504_and_never_reaches_the_engine(bundle: Bundle) -> None:
    held = Held()
    with running([bundle], held.load, sessions=1, deadline_s=0.2) as run:
        with in_background(lambda: run.predict(["good"])) as answers:
            held.entered.acquire()
            assert run.predict(["good", "film"]).status == 504
            held.let_go.set()
        assert answers[0].status == 200, "it was with the engine in time, so it is answered"
        assert [call[0] for call in held.engine.calls] == [1]
        assert run.samples()["inference_requests_total", "model=tiny,status=expired,version=1"] == 1


def test_an_engine_that_fails_is_a_500_for_its_own_callers_only(
    bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    def script(call: int) -> float:
        if call == 0:
            raise RuntimeError("CUDA error: device-side assert")
        return float("nan") if call == 1 else 0.0

    caplog.set_level("CRITICAL")
    with running([bundle], lambda _: FakeEngine(script=script)) as run:
        answers = [run.predict(["good"]) for _ in range(3)]
        assert [answer.status for answer in answers] == [500, 500, 200]
        assert "device-side assert" in answers[0].error
        assert "not finite" in answers[1].error
        assert run.samples()["inference_requests_total", "model=tiny,status=error,version=1"] == 2


def test_a_client_that_leaves_while_it_waits_is_cancelled_and_frees_its_place(bundle: Bundle) -> None:
    held = Held()
    with running([bundle], held.load, sessions=1, max_queue_texts=2) as run:
        with in_background(lambda: run.predict(["good"])) as answers:
            held.entered.acquire()
            leaver = run.connect()
            leaver.request("POST", "/predict", '{"texts": ["good", "film"]}', {"Content-Type": "application/json"})
            eventually(lambda: run.predict(["a", "b"]).status == 503)
            leaver.close()
            eventually(lambda: any(r.outcome is Outcome.CANCELLED for r in run.collected.records))
            with in_background(lambda: run.predict(["good", "film"])) as later:
                held.let_go.set()
        assert [answer.status for answer in (*answers, *later)] == [200, 200]
        assert run.samples()["inference_requests_total", "model=tiny,status=cancelled,version=1"] == 1
        assert run.samples()["inference_in_flight", ""] == 0


def test_a_client_that_leaves_in_the_middle_of_its_body_is_cancelled(bundle: Bundle) -> None:
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n"
    with running([bundle]) as run:
        url = urlsplit(run.addresses.public_url)
        connection = socket.create_connection((str(url.hostname), url.port or 0), timeout=30)
        connection.sendall(head + b'{"texts"')
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # leaves by reset
        connection.close()
        eventually(lambda: bool(run.collected.records))
        assert [record.outcome for record in run.collected.records] == [Outcome.CANCELLED]
        assert run.predict(["good"]).status == 200


# --------------------------------------------------------------------------------------------------- several models


def test_several_models_and_versions_answer_side_by_side(tmp_path: Path) -> None:
    bundles = [
        onnx_bundle(tmp_path / "a1", model="a"),
        onnx_bundle(tmp_path / "a2", model="a", version=2, sign=-1),
        onnx_bundle(tmp_path / "b1", model="b", sign=-1),
    ]
    with running(bundles) as run:
        assert run.predict(["good"], "/models/a/predict").document["predictions"] == ["positive"]
        assert run.predict(["good"], "/models/b/predict").document["predictions"] == ["negative"]
        answer = run.predict(["good"])
        assert answer.status == 400
        assert "a, b" in answer.error
    with running(bundles, default_model="b") as run:
        assert run.predict(["good"]).document["model"] == "b"


# ------------------------------------------------------------------------------------------------ records and metrics


def test_each_request_is_recorded_once_with_its_facts(bundle: Bundle) -> None:
    with running([bundle]) as run:
        answer = run.predict(["good film", "awful"], unit="user-17")
        run.predict([""])
        run.predict(["good"], "/models/nope/predict")
        run.request("GET", "/predict")
        run.request("GET", "/health")
        eventually(lambda: len(run.collected.records) >= 3)
        good, empty, nowhere = run.collected.records
        assert (good.request_id, good.unit, good.outcome) == (answer.document["request_id"], "user-17", Outcome.SUCCESS)
        assert (good.model, good.version, good.texts, good.tokens) == ("tiny", "1", 2, 7)
        assert good.labels == ("positive", "negative")
        assert good.confidences == pytest.approx([max(row) for row in answer.document["probabilities"]])
        assert good.latency_s * 1000 >= answer.document["latency_ms"]
        assert 0 < good.queue_s < good.latency_s
        assert 0 < good.inference_s < good.latency_s
        assert (empty.model, empty.version, empty.outcome, empty.texts) == ("tiny", "1", Outcome.INVALID, 1)
        assert (nowhere.model, nowhere.version, nowhere.outcome) == ("unknown", "unknown", Outcome.INVALID)
        seen = run.samples()
        assert seen["inference_requests_total", "model=tiny,status=success,version=1"] == 1
        assert seen["inference_requests_total", "model=unknown,status=invalid,version=unknown"] == 1
        assert seen["inference_batch_size_sum", ""] == 2
        assert seen["inference_batch_tokens_sum", ""] == 7
        assert seen["build_info", f"python={sys.version.split()[0]},version=0.1.0"] == 1


def test_a_sink_that_breaks_costs_nobody_an_answer(bundle: Bundle, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("CRITICAL")
    with running([bundle]) as run:
        run.collected.record = None  # type: ignore[assignment,method-assign]
        assert run.predict(["good"]).status == 200
        assert run.samples()["inference_requests_total", "model=tiny,status=success,version=1"] == 1


# ----------------------------------------------------------------------------------------------- probes, description


def test_probes_answer_on_both_ports(plane: Running) -> None:
    for internal in (False, True):
        health = plane.request("GET", "/health", internal=internal)
        assert (health.status, health.document) == (200, {"status": "healthy", "model_loaded": True})
        ready = plane.request("GET", "/ready", internal=internal)
        assert (ready.status, ready.document["ready"]) == (200, True)
    assert plane.request("GET", "/metrics").status == 404, "metrics are not for the public"
    assert plane.request("POST", "/metrics", internal=True).status == 405
    assert plane.request("GET", "/predict", internal=True).status == 404


def test_probes_answer_while_the_model_loads(bundle: Bundle) -> None:
    loading, may_load = threading.Event(), threading.Event()

    def slowly(bundle: Bundle) -> InferenceEngine:
        loading.set()
        assert may_load.wait(60)
        return load_engine(bundle)

    with running([bundle], slowly, wait=False) as run:
        assert loading.wait(30)
        assert run.request("GET", "/health").document == {"status": "healthy", "model_loaded": False}
        for answer in (run.request("GET", "/ready"), run.predict(["good"])):
            assert answer.status == 503
            assert "loading" in answer.error
            assert answer.headers["retry-after"]
        may_load.set()
        assert run.ready.wait(30)
        assert run.request("GET", "/ready").status == 200
        assert run.predict(["good"]).status == 200
        assert run.samples()["inference_rejected_total", "reason=not_ready"] == 1


def test_openapi_describes_requests_responses_and_errors(plane: Running) -> None:
    document = plane.request("GET", "/openapi.json").document
    for path in ("/predict", "/models/{model}/predict"):
        operation = document["paths"][path]["post"]
        request = operation["requestBody"]["content"]["application/json"]["schema"]
        assert request["required"] == ["texts"]
        assert request["properties"]["max_length"]["examples"] == [128]
        answer = operation["responses"]["200"]["content"]["application/json"]["schema"]
        assert {"predictions", "probabilities", "latency_ms"} <= set(answer["required"])
        assert {"400", "404", "408", "413", "415", "500", "503", "504"} <= set(operation["responses"])
        assert "422" not in operation["responses"]
    names = [parameter["name"] for parameter in document["paths"]["/models/{model}/predict"]["post"]["parameters"]]
    assert "model" in names


# -------------------------------------------------------------------------------------------------- start and drain


def test_a_port_in_use_is_a_sentence(bundle: Bundle) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for setting in ("port", "internal_port"):
            settings = ServingSettings(**{"port": 0, "internal_port": 0, setting: port})
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
import collections, json, sys
from pathlib import Path
from seatrial.bundle import Bundle
from seatrial.config import ServingSettings
from seatrial.engines.loading import load_engine
from seatrial.serving.plane import DataPlane
from seatrial.serving.server import serve

class Tally:
    def __init__(self): self.outcomes = collections.Counter()
    def record(self, record): self.outcomes[record.outcome.value] += 1

tally = Tally()
plane = DataPlane(ServingSettings(port=0, internal_port=0), load_engine, [tally])
serve(plane, [Bundle.open(Path(sys.argv[1]))],
      announce=lambda addresses: print(addresses.public_url, flush=True), on_ready=lambda: print("ready", flush=True))
heavy = [name for name in ("torch", "transformers", "mlflow", "scipy", "sqlalchemy") if name in sys.modules]
print(json.dumps({"outcomes": tally.outcomes, "heavy": heavy}))
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
    import http.client

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


def test_an_interrupt_ends_an_idle_server_with_0(bundle: Bundle) -> None:
    import signal

    with served_by_a_process(bundle) as (process, address), socket.create_connection(address):
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
