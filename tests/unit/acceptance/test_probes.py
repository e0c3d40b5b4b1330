"""A probe sees each way in which an answer can be wrong. Real answers: tests/integration/test_acceptance.py."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from seatrial.acceptance.contract import HTTP_PROTOCOLS, ask_contract
from seatrial.acceptance.exchange import Reply
from seatrial.acceptance.golden import ask_golden
from seatrial.acceptance.probes import Probe, is_error
from seatrial.domain.errors import UnreachableError
from tests.trials import AtAddress, rows, subject
from tests.waiting import free_port

PREDICTED = {
    "model": "tiny",
    "version": "1",
    "labels": ["negative", "positive"],
    "predictions": ["positive", "negative"],
    "probabilities": [[0.1, 0.9], [0.8, 0.2]],
    "latency_ms": 1.0,
    "request_id": "x",
}
INFERRED = {
    "model_name": "tiny",
    "model_version": "1",
    "id": "42",
    "outputs": [
        {"name": "label", "data": ["positive", "negative"]},
        {"name": "probabilities", "data": [0.1, 0.9, 0.8, 0.2]},
    ],
}


def named(name: str) -> Probe:
    return next(each for table in HTTP_PROTOCOLS for each in table(subject()) if each.name == name)


def reply(document: Any) -> Reply:
    return Reply(200, json.dumps(document).encode())


@pytest.mark.parametrize(
    "changed",
    [
        {"model": "other"},
        {"version": "2"},
        {"labels": ["positive", "negative"]},
        {"predictions": ["positive"]},
        {"predictions": ["positive", "neutral"]},
        {"predictions": "positive"},
        {"probabilities": [[0.1, 0.9]]},
        {"probabilities": [[0.1, 0.9], [0.8, 0.4]]},
        {"probabilities": [[0.1, 0.9], [1.0]]},
        {"probabilities": [[0.1, 0.9], ["0.8", "0.2"]]},
        {"probabilities": None},
        {"request_id": ...},
    ],
    ids=str,
)
def test_predict_must_say_everything(changed: dict[str, Any]) -> None:
    fault_of = named("POST /predict").fault_of
    assert fault_of(reply(PREDICTED)) == ""
    wrong = {key: value for key, value in {**PREDICTED, **changed}.items() if value is not ...}
    assert fault_of(reply(wrong))


@pytest.mark.parametrize(
    "changed", [{"model_name": "other"}, {"model_version": "2"}, {"id": "43"}, {"outputs": []}, {"outputs": None},
                {"outputs": [{"name": "label", "data": ["positive"]}, INFERRED["outputs"][1]]},
                {"outputs": [INFERRED["outputs"][0], {"name": "probabilities", "data": [1.0]}]}], ids=str,
)  # fmt: skip
def test_v2_must_name_what_answered_and_give_the_id_back(changed: dict[str, Any]) -> None:
    fault_of = named("POST /v2/models/tiny/infer").fault_of
    assert fault_of(reply(INFERRED)) == ""
    assert fault_of(reply({**INFERRED, **changed}))


@pytest.mark.parametrize(
    "document", [None, {}, {"predictions": [{"label": "positive"}]}, {"predictions": ["positive"]}]
)
def test_mlflow_must_predict_each_row(document: Any) -> None:
    fault_of = named("POST /invocations, inputs").fault_of
    assert fault_of(reply({"predictions": [{"label": "positive"}, {"label": "negative"}]})) == ""
    assert fault_of(reply(document))


@pytest.mark.parametrize(
    "body", [b"", b"oops", b'"a sentence"', b'{"detail": []}', b'{"error": ""}', b'{"error": 7}',
             b'{"error": "no", "more": 1}', b'{"error": "Traceback (most recent call last)"}'],
)  # fmt: skip
def test_an_error_is_one_sentence_and_nothing_else(body: bytes) -> None:
    assert is_error(Reply(400, b'{"error": "texts is empty: send at least one text."}')) == ""
    assert is_error(Reply(400, body))


def test_every_probe_has_a_name_of_its_own_and_every_kind_of_mistake_is_made() -> None:
    probes = [each for table in HTTP_PROTOCOLS for each in table(subject())]
    assert len({each.name for each in probes}) == len(probes)
    assert {each.status for each in probes} == {200, 400, 404, 405, 413, 415}


@pytest.fixture
def careless() -> Iterator[str]:
    """A server that answers everything with 200 and an empty object."""

    class Careless(http.server.BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            self.send_response(200)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        do_GET = do_POST = answer  # noqa: N815  the library's names

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Careless)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_server_that_says_yes_to_everything_is_found_out(careless: str) -> None:
    asked = ask_contract(AtAddress(careless, careless), subject())
    fine = {one.name for one in asked if not one.fault}
    assert len(asked) > 40
    assert fine == {"GET /health", "GET /ready", "GET /ping", "GET /version"}, "an empty object is enough for these"


def test_answers_without_a_prediction_stay_empty(careless: str) -> None:
    answers = ask_golden(careless, rows(3), 64)
    assert (answers.labels, answers.probabilities) == ([""] * 3, [()] * 3)
    assert len(answers.latencies_s) == 3


def test_nobody_there_is_a_fault_of_each_probe_and_the_end_of_the_golden_rows() -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    assert all("got no answer" in one.fault for one in ask_contract(AtAddress(nowhere, nowhere), subject()))
    with pytest.raises(UnreachableError):
        ask_golden(nowhere, rows(3), 64)
