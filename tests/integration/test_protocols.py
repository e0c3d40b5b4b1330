"""V2 over REST and gRPC and MLflow scoring against a served model: they answer what /predict answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from seatrial.bundle import Bundle
from seatrial.domain.inference import Outcome
from seatrial.serving.protocols import examples
from seatrial.serving.protocols.proto import inference_pb2 as pb
from tests.builders import onnx_bundle
from tests.data_plane import Held, Running, eventually, in_background, running

TEXTS = ["a good great film", "awful dull plot", "superb"]
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
INFER = "/v2/models/tiny/infer"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return onnx_bundle(tmp_path_factory.mktemp("served") / "bundle")


@pytest.fixture(scope="module")
def plane(bundle: Bundle) -> Iterator[Running]:
    with running([bundle], grpc=True, grpc_port=0) as run:
        yield run


def text_tensor(texts: list[str]) -> dict[str, Any]:
    return {"name": "text", "datatype": "BYTES", "shape": [len(texts)], "data": texts}


def outputs(document: dict[str, Any]) -> dict[str, Any]:
    return {
        output["name"]: np.array(output["data"]).reshape(output["shape"]).tolist() for output in document["outputs"]
    }


def call(run: Running, name: str, request: Any, **options: Any) -> tuple[Any, dict[str, str]]:
    """One call; the answer and its trailing metadata."""
    method = pb.DESCRIPTOR.services_by_name["GRPCInferenceService"].methods_by_name[name]
    answer_kind = getattr(pb, method.output_type.name)
    with grpc.insecure_channel(str(run.addresses.grpc)) as channel:
        path = f"/inference.GRPCInferenceService/{name}"
        ask = channel.unary_unary(path, lambda message: message.SerializeToString(), answer_kind.FromString)
        answer, ended = ask.with_call(request, timeout=options.pop("timeout", 30), **options)
    return answer, dict(ended.trailing_metadata())


def infer_request(texts: list[str]) -> Any:
    request = pb.ModelInferRequest(model_name="tiny", id="42")
    tensor = request.inputs.add(name="text", datatype="BYTES", shape=[len(texts)])
    tensor.contents.bytes_contents.extend(text.encode() for text in texts)
    return request


def test_every_protocol_answers_what_predict_answers(plane: Running) -> None:
    expected = plane.predict(TEXTS).document
    found = outputs(plane.request("POST", INFER, json.dumps({"inputs": [text_tensor(TEXTS)]})).document)
    assert found["label"] == expected["predictions"]
    assert found["probabilities"] == pytest.approx(np.array(expected["probabilities"]), abs=1e-5)
    rows = plane.request("POST", "/invocations", json.dumps({"inputs": TEXTS})).document["predictions"]
    assert [row["label"] for row in rows] == expected["predictions"]
    assert [row["probabilities"] for row in rows] == pytest.approx(np.array(expected["probabilities"]), abs=1e-5)
    answer, _ = call(plane, "ModelInfer", infer_request(TEXTS))
    label, probabilities, _ = answer.outputs
    assert [text.decode() for text in label.contents.bytes_contents] == expected["predictions"]
    assert np.reshape(probabilities.contents.fp32_contents, (3, 2)) == pytest.approx(
        np.array(expected["probabilities"]), abs=1e-5
    )
    assert (answer.model_name, answer.model_version, answer.id) == ("tiny", "1", "42")


@pytest.mark.parametrize("path", [INFER, "/v2/models/tiny/versions/1/infer"])
@pytest.mark.parametrize("body", examples.INFER)
def test_the_examples_of_the_description_are_answered(plane: Running, path: str, body: dict[str, Any]) -> None:
    answer = plane.request("POST", path, json.dumps(body))
    assert answer.status == 200, answer.body
    assert answer.document.get("id", "") == body.get("id", "")


@pytest.mark.parametrize("body", [json.dumps(body) for body in examples.INVOCATIONS] + [examples.CSV])
def test_the_examples_of_invocations_are_answered(plane: Running, body: str) -> None:
    kind = "application/json" if body.startswith("{") else "text/csv"
    assert plane.request("POST", "/invocations", body, {"Content-Type": kind}).status == 200


def test_every_page_has_the_keys_that_its_description_promises(plane: Running) -> None:
    for path, operations in plane.request("GET", "/openapi.json").document["paths"].items():
        if "get" not in operations:
            continue
        answer = plane.request("GET", path.replace("{model}", "tiny").replace("{version}", "1"))
        assert answer.status == 200, path
        example = operations["get"]["responses"]["200"]["content"].get("application/json", {}).get("example")
        assert example is None or set(example) <= set(answer.document), path


def test_token_ids_get_the_logits_of_their_texts(plane: Running) -> None:
    chosen = [{"name": name} for name in ("logits", "label")]
    by_text = outputs(
        plane.request("POST", INFER, json.dumps({"inputs": [text_tensor(["good"])], "outputs": chosen})).document
    )
    ids = {"name": "input_ids", "datatype": "INT32", "shape": [1, 4], "data": [[2, 5, 3, 0]]}
    mask = {"name": "attention_mask", "datatype": "BOOL", "shape": [1, 4], "data": [True, True, True, False]}
    answer = plane.request("POST", INFER, json.dumps({"inputs": [ids, mask], "outputs": chosen}))
    by_ids = outputs(answer.document)
    assert by_ids["logits"] == pytest.approx(np.array(by_text["logits"]), abs=1e-5)
    assert by_ids["label"] == [["positive"]]


def test_raw_tensors_go_in_and_out(plane: Running) -> None:
    raw = b"".join(len(text).to_bytes(4, "little") + text.encode() for text in TEXTS)
    tensor = {"name": "text", "datatype": "BYTES", "shape": [3], "parameters": {"binary_data_size": len(raw)}}
    head = json.dumps({"inputs": [tensor], "outputs": [{"name": "logits", "parameters": {"binary_data": True}}]})
    headers = {"Inference-Header-Content-Length": str(len(head))}
    answer = plane.request("POST", INFER, head.encode() + raw, headers)
    assert answer.headers["content-type"] == "application/octet-stream"
    length = int(answer.headers["inference-header-content-length"])
    (output,) = json.loads(answer.body[:length])["outputs"]
    assert output["parameters"] == {"binary_data_size": 24}
    assert np.frombuffer(answer.body[length:], "<f4").reshape(output["shape"]).argmax(axis=1).tolist() == [1, 0, 1]
    for wrong in ({"Inference-Header-Content-Length": "9999"}, {"Inference-Header-Content-Length": "-1"}, {}):
        assert plane.request("POST", INFER, head.encode() + raw, wrong).status == 400


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        (INFER, "{", 400),
        (INFER, '{"inputs": []}', 400),
        (INFER, json.dumps({"inputs": [text_tensor([""])]}), 400),
        (INFER, json.dumps({"inputs": [text_tensor(["good"])], "parameters": {"sequence_id": 1}}), 501),
        ("/v2/models/nope/infer", json.dumps({"inputs": [text_tensor(["good"])]}), 404),
        ("/v2/models/tiny/versions/9/infer", json.dumps({"inputs": [text_tensor(["good"])]}), 404),
    ],
)
def test_v2_refuses_in_tritons_way(plane: Running, path: str, body: str, status: int) -> None:
    answer = plane.request("POST", path, body)
    assert answer.status == status
    assert answer.error


@pytest.mark.parametrize("data", [[[2, 10**6, 3]], [[2, -1, 3]]])
def test_token_ids_that_the_model_does_not_know_never_reach_the_engine(plane: Running, data: list[Any]) -> None:
    ids = {"name": "input_ids", "datatype": "INT64", "shape": [1, 3], "data": data}
    assert plane.request("POST", INFER, json.dumps({"inputs": [ids]})).status == 400


def test_mlflow_refuses_in_its_own_words_and_ours(plane: Running) -> None:
    answer = plane.request("POST", "/invocations", "{}")
    assert (answer.status, answer.document["error_code"]) == (400, "BAD_REQUEST")
    assert answer.document["message"] == answer.document["error"]
    assert plane.request("POST", "/invocations", "{}", {"Content-Type": "text/plain"}).status == 415


def test_ids_and_times_come_back_and_stand_in_the_record(bundle: Bundle) -> None:
    with running([bundle], grpc=True, grpc_port=0) as run:
        headers = {"X-Request-Id": "order-17", "traceparent": TRACE}
        answer = run.request("POST", INFER, json.dumps({"inputs": [text_tensor(TEXTS)]}), headers)
        assert (answer.headers["x-request-id"], answer.headers["traceparent"]) == ("order-17", TRACE)
        assert [part.partition(";")[0] for part in answer.headers["server-timing"].split(", ")] == [
            "queue", "infer", "total",
        ]  # fmt: skip
        metadata = (("x-request-id", "order-18"), ("traceparent", TRACE))
        _, trailing = call(run, "ModelInfer", infer_request(TEXTS), metadata=metadata)
        assert (trailing["x-request-id"], trailing["traceparent"]) == ("order-18", TRACE)
        broken = run.request("POST", "/predict", '{"texts": ["good"]}', {"traceparent": TRACE.upper()})
        assert "traceparent" not in broken.headers
        eventually(lambda: len(run.collected.records) == 3)
        rest, rpc, _ = run.collected.records
        assert [record.request_id for record in (rest, rpc)] == ["order-17", "order-18"]
        assert {record.traceparent for record in (rest, rpc)} == {TRACE}
        assert {(record.outcome, record.texts, record.labels) for record in (rest, rpc)} == {
            (Outcome.SUCCESS, 3, ("positive", "negative", "positive"))
        }
        stats = run.request("GET", "/v2/models/tiny/stats").document["model_stats"][0]
        assert (stats["inference_count"], stats["inference_stats"]["queue"]["count"]) == (7, 3)


def test_grpc_refuses_with_its_own_codes(plane: Running) -> None:
    wrong_model = infer_request(TEXTS)
    wrong_model.model_name = "nope"
    sequence = infer_request(TEXTS)
    sequence.parameters["sequence_id"].int64_param = 1
    two_forms = infer_request(TEXTS)
    two_forms.raw_input_contents.append(b"")
    for request, code in (
        (wrong_model, grpc.StatusCode.NOT_FOUND),
        (sequence, grpc.StatusCode.UNIMPLEMENTED),
        (two_forms, grpc.StatusCode.INVALID_ARGUMENT),
        (infer_request([""]), grpc.StatusCode.INVALID_ARGUMENT),
    ):
        with pytest.raises(grpc.RpcError) as refusal:
            call(plane, "ModelInfer", request)
        assert refusal.value.code() is code
        assert "Traceback" not in refusal.value.details()


def test_a_call_whose_time_is_over_never_reaches_an_engine(bundle: Bundle) -> None:
    held = Held()
    with running([bundle], held.load, grpc=True, grpc_port=0, sessions=1) as run:
        with in_background(lambda: run.predict(["good"])):
            try:
                assert held.entered.acquire(timeout=30)
                with pytest.raises(grpc.RpcError) as refusal:
                    call(run, "ModelInfer", infer_request(["good"]), timeout=0.2)
                eventually(lambda: len(run.collected.records) == 1)
            finally:
                held.let_go.set()
        assert refusal.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert run.collected.records[0].outcome in {Outcome.EXPIRED, Outcome.CANCELLED}


def test_versions_are_loaded_and_unloaded_behind_the_internal_port(bundle: Bundle, tmp_path: Path) -> None:
    second = onnx_bundle(tmp_path / "second", version=2, sign=-1)

    def post(path: str, body: str = "") -> Any:
        return run.request("POST", f"/v2/repository/{path}", body, internal=True)

    with running([bundle], find_bundle={"tiny@2": second}.__getitem__) as run:
        assert run.request("POST", "/v2/repository/models/tiny@2/load").status == 404, "not for the public"
        assert post("models/tiny%402/load").document == {"name": "tiny", "version": "2"}
        assert [row["version"] for row in post("index").document] == ["1", "2"]
        ask = json.dumps({"inputs": [text_tensor(["good"])]})
        answer = run.request("POST", "/v2/models/tiny/versions/2/infer", ask)
        assert outputs(answer.document)["label"] == ["negative"]
        assert outputs(run.request("POST", INFER, ask).document)["label"] == ["positive"]
        for path, body, status in (
            ("models/tiny/unload", "", 400),
            ("models/tiny/unload", '{"parameters": {"version": "1"}}', 400),
            ("models/tiny%40x/unload", "", 400),
            ("models/tiny%409/unload", "", 404),
            ("models/tiny/unload", "[", 400),
            ("nothing", "", 404),
        ):
            refused = post(path, body)
            assert refused.status == status, (path, body)
            assert refused.error
        assert post("models/tiny/unload", '{"parameters": {"version": "2"}}').status == 200
        assert run.request("POST", "/v2/models/tiny/versions/2/infer", ask).status == 404
