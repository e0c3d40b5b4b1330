"""The data plane over real HTTP, with real sockets, a real graph and ONNX Runtime: its answers."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from seatrial import __version__
from seatrial.bundle import Bundle
from seatrial.domain.inference import InferenceEngine, Outcome
from seatrial.engines.loading import load_engine
from tests.builders import MAX_TOKENS, onnx_bundle, random_texts
from tests.data_plane import Running, eventually, running

LIMITS: dict[str, Any] = {"max_texts": 20, "max_text_chars": 1000, "max_body_bytes": 200_000}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return onnx_bundle(tmp_path_factory.mktemp("served") / "bundle")


@pytest.fixture(scope="module")
def plane(bundle: Bundle) -> Iterator[Running]:
    with running([bundle], **LIMITS) as run:
        yield run


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
        assert seen["build_info", f"python={sys.version.split()[0]},version={__version__}"] == 1


def test_a_sink_that_breaks_costs_nobody_an_answer(bundle: Bundle, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("CRITICAL")
    with running([bundle]) as run:
        run.collected.record = None  # type: ignore[assignment,method-assign]
        assert run.predict(["good"]).status == 200
        assert run.samples()["inference_requests_total", "model=tiny,status=success,version=1"] == 1


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
