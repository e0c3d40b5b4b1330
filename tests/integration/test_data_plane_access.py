"""Keys, compressed bodies, HTTPS and Unix sockets, over the wire."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import json
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import zstandard

from seatrial.bundle import Bundle
from seatrial.domain.inference import Outcome
from seatrial.serving.api_keys import key_line
from tests.builders import onnx_bundle, random_texts
from tests.certificates import write_certificate
from tests.data_plane import Running, eventually, running

JSON = {"Content-Type": "application/json"}
BODY = b'{"texts": ["good"]}'


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return onnx_bundle(tmp_path_factory.mktemp("served") / "bundle")


@pytest.fixture(scope="module")
def plane(bundle: Bundle) -> Iterator[Running]:
    with running([bundle], max_body_bytes=1_000_000) as run:
        yield run


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_compressed_requests_get_the_same_answer_as_plain_ones(plane: Running, coding: str) -> None:
    texts, _ = random_texts(50, seed=1)
    plain = json.dumps({"texts": texts}).encode()
    packed = gzip.compress(plain) if coding == "gzip" else zstandard.compress(plain)
    headers = {**JSON, "Content-Encoding": coding}
    for body in (packed, iter([packed[:10], packed[10:]])):  # declared, and chunked
        answer = plane.request("POST", "/predict", body, headers)
        assert answer.document["probabilities"] == plane.request("POST", "/predict", plain).document["probabilities"]


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_bad_compressed_requests_are_the_clients_mistakes(plane: Running, coding: str) -> None:
    def packed(body: bytes) -> bytes:
        return gzip.compress(body) if coding == "gzip" else zstandard.compress(body)

    seen = len(plane.collected.records)
    headers = {**JSON, "Content-Encoding": coding}
    for body, status in (
        (packed(b" " * 50_000_000), 413),
        (packed(b" " * 1_000_001), 413),
        (b"plain words", 400),
        (BODY, 400),
        (packed(BODY)[:-4], 400),
        (packed(b"no JSON"), 400),
        (b"", 400),
    ):
        answer = plane.request("POST", "/predict", body, headers)
        assert (answer.status, bool(answer.error)) == (status, True)
    eventually(lambda: len(plane.collected.records) == seen + 7)
    assert {record.outcome for record in plane.collected.records[seen:]} == {Outcome.INVALID}
    assert plane.request("POST", "/predict", packed(BODY), headers).status == 200


def test_large_answers_are_compressed_for_who_asks(plane: Running) -> None:
    texts, _ = random_texts(800, seed=2)
    body = json.dumps({"texts": texts})
    plain = plane.request("POST", "/predict", body)
    assert "content-encoding" not in plain.headers
    for coding in ("gzip", "zstd"):
        answer = plane.request("POST", "/predict", body, {**JSON, "Accept-Encoding": coding})
        assert answer.headers["content-encoding"] == coding
        assert len(answer.body) < 0.7 * len(plain.body)
        unpacked = gzip.decompress(answer.body) if coding == "gzip" else zstandard.decompress(answer.body)
        assert json.loads(unpacked)["probabilities"] == plain.document["probabilities"]
    small = plane.request("POST", "/predict", BODY, {**JSON, "Accept-Encoding": "gzip, zstd"})
    assert "content-encoding" not in small.headers


def test_a_length_above_the_models_is_clipped_or_refused_as_set(plane: Running, bundle: Bundle) -> None:
    most = bundle.manifest.signature.max_tokens
    assert plane.predict(["good"], max_length=most + 1).headers["x-seatrial-max-length"] == str(most)
    with running([bundle], over_length="refuse") as strict:
        refusal = strict.predict(["good"], max_length=most + 1)
        assert refusal.status == 400
        assert f"reads {most} at most" in refusal.error
        assert strict.predict(["good"], max_length=most).status == 200
        assert strict.predict(["good"]).status == 200, "a default above the model's is nobody's mistake"


def test_with_a_key_file_only_keys_get_answers(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(f"{key_line('shop', 'right')}\n{key_line('rare', 'seldom', 2)}\n")
    with running([bundle], api_keys_file=str(tmp_path / "keys")) as run:

        def status(key: str = "", path: str = "/predict") -> int:
            shown = {"Authorization": f"Bearer {key}"} if key else {}
            answer = run.request("POST", path, BODY, {**JSON, **shown})
            if answer.status != 200:
                assert answer.error
            return answer.status

        assert [status("right"), status("wrong"), status(), status(path="/nowhere")] == [200, 401, 401, 401]
        assert [status("seldom") for _ in range(3)] == [200, 200, 429]
        assert status("right") == 200, "one key's limit is no other's"
        for probe in ("/health", "/ready"):
            assert run.request("GET", probe).status == 200
        seen = run.samples()
        assert seen["inference_rejected_total", "reason=unauthenticated"] == 3
        assert seen["inference_rejected_total", "reason=rate_limited"] == 1
        assert seen["inference_in_flight", ""] == 0
        assert len(run.collected.records) == 4, "a stranger writes no records"


def test_keys_that_are_added_while_it_runs_get_answers(bundle: Bundle, tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(key_line("old", "old"))
    with running([bundle], api_keys_file=str(path)) as run:

        def status(key: str) -> int:
            return run.request("POST", "/predict", BODY, {**JSON, "Authorization": f"Bearer {key}"}).status

        assert (status("old"), status("new")) == (200, 401)
        path.write_text(key_line("new", "new") + "\n# old is gone\n")
        eventually(lambda: status("new") == 200)
        assert status("old") == 401


def ended(connection: socket.socket) -> bool:
    """Whether the server ends the connection without a word of HTTP."""
    try:
        return b"HTTP" not in connection.recv(100)
    except ConnectionResetError:
        return True


@contextlib.contextmanager
def over_tls(run: Running, trusted: Path) -> Iterator[http.client.HTTPSConnection]:
    port = int(run.addresses.public_url.rpartition(":")[2])
    context = ssl.create_default_context(cafile=trusted)
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=30, context=context)
    with contextlib.closing(connection):
        yield connection


def test_https_and_nothing_else_is_spoken_with_a_certificate(bundle: Bundle, tmp_path: Path) -> None:
    pair = write_certificate(tmp_path)
    settings = {"tls_cert_file": str(pair.cert), "tls_key_file": str(pair.key), "headers_s": 0.5}
    with running([bundle], **settings) as run:
        assert run.addresses.public_url.startswith("https://127.0.0.1:")
        assert run.addresses.internal_url.startswith("http://")
        with over_tls(run, pair.cert) as client:
            for _ in range(2):
                client.request("POST", "/predict", BODY, JSON)
                assert json.load(client.getresponse())["predictions"] == ["positive"]
        port = int(run.addresses.public_url.rpartition(":")[2])
        for said in (b"GET /health HTTP/1.1\r\n\r\n", b""):  # plain HTTP, and a handshake that does not come
            with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
                connection.sendall(said)
                assert ended(connection)


def test_slow_and_huge_requests_are_refused_over_tls_too(bundle: Bundle, tmp_path: Path) -> None:
    pair = write_certificate(tmp_path)
    settings = {"tls_cert_file": str(pair.cert), "tls_key_file": str(pair.key), "headers_s": 0.3}
    with running([bundle], **settings) as run:
        port = int(run.addresses.public_url.rpartition(":")[2])
        context = ssl.create_default_context(cafile=pair.cert)
        for sent, status in ((b"GET / HTTP/1.1\r\nHost", b"408"), (b"GET / HTTP/1.1\r\nX: " + b"y" * 99_999, b"431")):
            with (
                socket.create_connection(("127.0.0.1", port), timeout=30) as plain,
                context.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
            ):
                connection.sendall(sent)
                assert connection.recv(65536).split()[1] == status
        eventually(lambda: not run.server._public.server_state.connections)


def test_a_renewed_certificate_is_used_without_a_restart(bundle: Bundle, tmp_path: Path) -> None:
    pair = write_certificate(tmp_path)
    renewed = write_certificate(tmp_path, "renewed")
    with running([bundle], tls_cert_file=str(pair.cert), tls_key_file=str(pair.key)) as run:
        renewed.key.replace(pair.key)
        renewed.cert.replace(pair.cert)

        def trusted() -> bool:
            try:
                with over_tls(run, pair.cert) as connection:
                    connection.request("GET", "/health")
                    return connection.getresponse().status == 200
            except ssl.SSLError:
                return False

        eventually(trusted)


def test_a_unix_socket_takes_the_public_ports_place(bundle: Bundle, tmp_path: Path) -> None:
    path = tmp_path / "plane.sock"
    with running([bundle], uds=str(path)) as run:
        assert run.addresses.public_url == f"unix:{path}"
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(path)), base_url="http://plane") as client:
            for _ in range(2):
                answer = client.post("/predict", json={"texts": ["good"]})
                assert answer.json()["predictions"] == ["positive"]
            assert client.get("/ready").status_code == 200
        assert run.request("GET", "/ready", internal=True).status == 200
    assert not path.exists()
