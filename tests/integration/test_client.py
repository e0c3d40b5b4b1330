"""The clients against the real data plane: over sockets, and in process over ASGI."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from seatrial.bundle import Bundle
from seatrial.client import AsyncClient, Client, Patience
from seatrial.config import ServingSettings
from seatrial.domain.errors import (
    AnswerLostError,
    InvalidRequestError,
    ModelNotServedError,
    OverloadedError,
    PayloadTooLargeError,
    UnreachableError,
)
from seatrial.engines.loading import load_engine
from seatrial.serving.app import create_app
from seatrial.serving.exchange import Lifecycle
from seatrial.serving.plane import DataPlane
from tests.builders import LABELS, onnx_bundle, random_texts
from tests.data_plane import Held, Running, eventually, in_background, running, waiting_texts
from tests.waiting import free_port


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return onnx_bundle(tmp_path_factory.mktemp("served") / "bundle")


@pytest.fixture(scope="module")
def plane(bundle: Bundle) -> Iterator[Running]:
    with running([bundle], max_texts=20, max_body_bytes=50_000) as run:
        yield run


@pytest.fixture
def client(plane: Running) -> Iterator[Client]:
    with Client(plane.addresses.public_url) as client:
        yield client


def test_answers_are_those_of_plain_http(client: Client, plane: Running) -> None:
    texts, _ = random_texts(20, seed=3)
    answer, document = client.predict(texts), plane.predict(texts).document
    assert answer.labels == document["predictions"]
    for prediction, row in zip(answer, document["probabilities"], strict=True):
        assert list(prediction.probabilities) == list(LABELS) == document["labels"]
        assert list(prediction.probabilities.values()) == pytest.approx(row, abs=1e-5)
    assert (answer.model, answer.version) == ("tiny", "1")
    assert answer.latency_ms > 0


def test_a_call_is_known_by_its_id_and_its_unit(client: Client, plane: Running) -> None:
    answer = client.predict("good", unit="user-1", headers={"X-Request-Id": "order-17"}, model="tiny", max_length=500)
    assert answer.request_id == "order-17"
    assert answer.clipped_to == 64
    eventually(lambda: any(record.request_id == "order-17" for record in plane.collected.records))
    (record,) = [record for record in plane.collected.records if record.request_id == "order-17"]
    assert record.unit == "user-1"


def test_refusals_are_the_errors_of_the_server(client: Client) -> None:
    with pytest.raises(ModelNotServedError, match="No model 'other'"):
        client.predict("good", model="other")
    with pytest.raises(InvalidRequestError, match=r"texts\[1\] is empty"):
        client.predict(["good", ""])
    with pytest.raises(InvalidRequestError):
        client.predict([])
    with pytest.raises(PayloadTooLargeError):
        client.predict(["good"] * 21)


def test_a_stream_is_split_where_the_server_takes_less(client: Client, plane: Running) -> None:
    texts, truth = random_texts(1000, seed=4)
    texts[500] = "good " * 9_000  # a batch with it is over the body's limit, alone it is not
    expected = [LABELS[label] for label in truth]
    expected[500] = "positive"
    labels = [prediction.label for prediction in client.predict_many(texts, batch_texts=50)]
    assert labels == expected

    async def ask() -> list[str]:
        async with AsyncClient(plane.addresses.public_url) as other:
            return [prediction.label async for prediction in other.predict_many(texts, batch_texts=50)]

    assert asyncio.run(ask()) == expected


def test_bodies_beyond_any_limit_are_errors_of_their_texts(client: Client) -> None:
    large = "good " * 400_000
    results = client.predict_each(["good", large, "", "bad"])
    assert [type(result).__name__ for result in results] == [
        "Prediction",
        "PayloadTooLargeError",
        "InvalidRequestError",
        "Prediction",
    ]


def test_probes(client: Client) -> None:
    assert (client.health().status, client.health().model_loaded, client.ready()) == ("healthy", True, True)


def test_nobody_at_home() -> None:
    with (
        Client(f"http://127.0.0.1:{free_port()}", patience=Patience(attempts=2, first_pause_s=0)) as client,
        pytest.raises(UnreachableError, match="check that a data plane serves there"),
    ):
        client.predict("good")


def test_an_overloaded_server_is_asked_again_until_it_has_room(bundle: Bundle) -> None:
    held = Held()
    with running([bundle], held.load, sessions=1, max_queue_texts=1) as run:
        url = run.addresses.public_url
        # The second is sent once the engine holds the first: sent together, it could find the line full.
        with contextlib.ExitStack() as asking:
            asking.enter_context(in_background(lambda: run.predict(["good"])))
            held.entered.acquire()
            asking.enter_context(in_background(lambda: run.predict(["good"])))
            eventually(lambda: waiting_texts(run) == 1)
            with Client(url, patience=Patience(attempts=1)) as client, pytest.raises(OverloadedError) as raised:
                client.predict("good")
            assert raised.value.retry_after_s >= 1
            with Client(url) as client, in_background(lambda: client.predict("good")) as answers:
                eventually(lambda: ("inference_rejected_total", "reason=queue_full") in run.samples())
                eventually(lambda: run.samples()["inference_rejected_total", "reason=queue_full"] >= 2)
                held.let_go.set()
            assert len(answers[0].labels) == 1


def test_a_connection_that_is_cut_is_an_answer_lost() -> None:
    """A server that reads a request and closes: predict is sent again, a sale is not."""
    asked: list[str] = []

    def cut(listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection:
                    asked.append(connection.recv(65536).split(b" ")[1].decode())

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=cut, args=[listener])
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with Client(url, patience=Patience(attempts=3, first_pause_s=0)) as client:
            with pytest.raises(AnswerLostError):
                client.predict("good")
            with pytest.raises(AnswerLostError):
                client.feedback_metric("sale", 1.0, unit="u")
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(30)
    assert asked == ["/predict"] * 3 + ["/feedback"]


@contextlib.asynccontextmanager
async def in_process(bundle: Bundle) -> AsyncIterator[AsyncClient]:
    """A client of the real application, without a socket."""
    plane = DataPlane(ServingSettings(sessions=1), load_engine)
    app = create_app(Lifecycle(plane))
    await asyncio.to_thread(plane.load, [bundle])
    async with (
        app.router.lifespan_context(app),
        AsyncClient(transport=httpx.ASGITransport(app), patience=Patience(attempts=1)) as client,
    ):
        yield client


def test_the_application_answers_in_process(bundle: Bundle) -> None:
    texts, truth = random_texts(100, seed=5)

    async def ask() -> list[str]:
        async with in_process(bundle) as client:
            assert await client.ready()
            assert (await client.health()).model_loaded
            return [prediction.label async for prediction in client.predict_many(texts, batch_texts=7)]

    assert asyncio.run(ask()) == [LABELS[label] for label in truth]


def test_a_unix_socket_is_an_address(tmp_path: Path) -> None:
    path = tmp_path / "plane.sock"
    body = json.dumps({"status": "healthy", "model_loaded": True}).encode()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def answer() -> None:
            for _ in range(2):
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))

        thread = threading.Thread(target=answer)
        thread.start()
        with Client(f"unix:{path}") as client:
            assert client.health().model_loaded

        async def ask() -> bool:
            async with AsyncClient(f"unix:{path}") as other:
                return (await other.health()).model_loaded

        assert asyncio.run(ask())
        thread.join(30)
