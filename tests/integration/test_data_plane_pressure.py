"""Overload, deadlines, failing engines and clients that leave."""

from __future__ import annotations

import socket
import struct
from urllib.parse import urlsplit

import pytest

from seatrial.bundle import Bundle
from seatrial.domain.inference import Outcome
from seatrial.engines.fake_engine import FakeEngine
from tests.builders import onnx_bundle
from tests.data_plane import Held, eventually, in_background, running, waiting_texts


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return onnx_bundle(tmp_path_factory.mktemp("served") / "bundle")


def test_overload_is_a_503_that_says_when_to_come_back_and_passes(bundle: Bundle) -> None:
    held = Held()
    with running([bundle], held.load, sessions=1, max_queue_texts=4) as run:
        with in_background(lambda: run.predict(["good"])) as first:
            held.entered.acquire()
            with in_background(lambda: run.predict(["good"] * 4)) as second:
                eventually(lambda: waiting_texts(run) == 4)
                refusals = [run.predict(["good"] * count) for count in (1, 4)]
                assert run.predict(["good"] * 5).status == 413, "more than the queue holds could never be served"
                held.let_go.set()
        assert [answer.status for answer in (*first, *second)] == [200, 200]
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
            eventually(lambda: waiting_texts(run) == 2)
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
