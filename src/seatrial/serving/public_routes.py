"""The paths of the public port: which protocol answers each, and what the API's description says about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from seatrial.serving.asgi import Reply, json_reply
from seatrial.serving.exchange import Lifecycle
from seatrial.serving.feedback import FeedbackDesk
from seatrial.serving.feedback_endpoint import FeedbackEndpoint, feedback_description
from seatrial.serving.health import health_reply, ready_reply
from seatrial.serving.http_endpoint import HttpEndpoint
from seatrial.serving.http_errors import (
    documented_rows,
    error_reply,
    mlflow_error_reply,
    not_loaded_reply,
    v2_error_reply,
    v2_statuses,
)
from seatrial.serving.protocols import examples
from seatrial.serving.protocols.mlflow_scoring import MLFLOW_VERSION, Invocation, MlflowProtocol, MlflowResponse
from seatrial.serving.protocols.predict import PredictProtocol
from seatrial.serving.protocols.v2_description import V2Description
from seatrial.serving.protocols.v2_rest import HEADER_LENGTH, InferRequest, InferResponse, V2Protocol
from seatrial.serving.routes import Described, Page, RawRoute, error_responses, json_content
from seatrial.serving.wire import ErrorBody, MlflowErrorBody, PredictRequest, PredictResponse

__all__ = ["public_routes"]

_RAW: Mapping[str, Any] = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
_CSV: Mapping[str, Any] = {"text/csv": {"schema": {"type": "string"}, "example": examples.CSV}}
_NOT_READY: Mapping[int, str] = {503: "Starting up or shutting down."}
_NOT_SERVED: Mapping[int, str] = {404: "No such model is served.", **_NOT_READY}


def public_routes(lifecycle: Lifecycle, desk: FeedbackDesk | None) -> Iterator[RawRoute]:
    """All routes, the most used ones first: they are tried in order.

    Args:
        desk: takes feedback; None: nobody does, and the path does not exist.
    """
    yield from _predict_routes(lifecycle)
    yield from _v2_inference_routes(lifecycle)
    if desk is not None:
        yield _feedback_route(lifecycle, desk)
    yield from _mlflow_routes(lifecycle)
    yield from _probes(lifecycle)
    yield from _v2_description_routes(lifecycle)


def _predict_routes(lifecycle: Lifecycle) -> Iterator[RawRoute]:
    endpoint = HttpEndpoint(lifecycle, PredictProtocol())
    for path, operation_id, which in (
        ("/predict", "predict", "Asks the default model, or the only one."),
        ("/models/{model}/predict", "predict_model", "Asks the model of that name."),
    ):
        answer = {"description": "Labels and probabilities.", "content": json_content(PredictResponse)}
        described = Described(
            operation_id,
            "Labels and probabilities of texts.",
            {"200": answer, **error_responses(documented_rows(), ErrorBody)},
            which,
            json_content(PredictRequest, *examples.PREDICT),
        )
        yield RawRoute("POST", path, endpoint, described)


def _feedback_route(lifecycle: Lifecycle, desk: FeedbackDesk) -> RawRoute:
    operation = feedback_description()
    described = Described(
        "feedback",
        "What turned out about answers.",
        operation["responses"],
        "True labels and figures, one or a list. Answered once they are on the disk.",
        operation["requestBody"]["content"],
    )
    return RawRoute("POST", "/feedback", FeedbackEndpoint(lifecycle.plane, desk), described)


def _v2_inference_routes(lifecycle: Lifecycle) -> Iterator[RawRoute]:
    endpoint = HttpEndpoint(lifecycle, V2Protocol())
    answer = {"description": "The tensors.", "content": {**json_content(InferResponse), **_RAW}}
    for path, operation_id in (
        ("/v2/models/{model}/infer", "v2_infer"),
        ("/v2/models/{model}/versions/{version}/infer", "v2_infer_version"),
    ):
        described = Described(
            operation_id,
            "Open Inference Protocol V2: tensors in, tensors out.",
            {"200": answer, **error_responses(v2_statuses(), ErrorBody)},
            "Texts as BYTES (`text`), or token ids as INT64 (`input_ids`, `attention_mask`).",
            {**json_content(InferRequest, *examples.INFER), **_RAW},
            ((HEADER_LENGTH, "Bytes of JSON, where raw tensors follow it."),),
        )
        yield RawRoute("POST", path, endpoint, described)


def _mlflow_routes(lifecycle: Lifecycle) -> Iterator[RawRoute]:
    plane = lifecycle.plane
    failures = error_responses(documented_rows(), MlflowErrorBody)
    answer = {"description": "A prediction for each row.", "content": json_content(MlflowResponse)}
    described = Described(
        "mlflow_invocations",
        "MLflow scoring: rows in, predictions out.",
        {"200": answer, **failures},
        "Asks the default model, or the only one.",
        {**json_content(Invocation, *examples.INVOCATIONS), **_CSV},
    )
    yield RawRoute("POST", "/invocations", HttpEndpoint(lifecycle, MlflowProtocol()), described)

    def ping(_names: Mapping[str, str]) -> Reply:
        if not plane.variants:
            return not_loaded_reply()
        plane.require_ready()
        return Reply(200, b"\n", "text/plain; charset=utf-8")  # MLflow calls an empty line JSON, which it is not

    line = {"description": "It does.", "content": {"text/plain": {"example": "\n"}}}
    failures = error_responses({404: "Nothing is loaded yet.", 503: "Shutting down."}, MlflowErrorBody)
    described = Described("mlflow_ping", "MLflow scoring: whether a model answers.", {"200": line, **failures})
    yield RawRoute("GET", "/ping", Page(ping, mlflow_error_reply), described)
    text = {"description": "Its number.", "content": {"text/plain": {"example": MLFLOW_VERSION}}}
    described = Described("mlflow_version", "MLflow scoring: the MLflow whose protocol is spoken.", {"200": text})
    version = Reply(200, MLFLOW_VERSION.encode(), "text/plain; charset=utf-8")
    yield RawRoute("GET", "/version", Page(lambda _names: version, mlflow_error_reply), described)


def _probes(lifecycle: Lifecycle) -> Iterator[RawRoute]:
    plane = lifecycle.plane
    yield _page("/health", "health", "Whether the process lives.", lambda _names: health_reply(plane), {})
    yield _page("/ready", "ready", "Whether to send requests here.", lambda _names: ready_reply(plane), _NOT_READY)


def _v2_description_routes(lifecycle: Lifecycle) -> Iterator[RawRoute]:
    description, plane = V2Description(lifecycle), lifecycle.plane
    alive = {"live": True, "ready": True}  # the specification reads one key, KServe's clients the other

    def ready(_names: Mapping[str, str]) -> Reply:
        plane.require_ready()
        return json_reply(200, alive)

    def of_server(document: Callable[[], Any]) -> Callable[[Mapping[str, str]], Reply]:
        return lambda _names: json_reply(200, document())

    def of_model(document: Callable[[str, str | None], Any]) -> Callable[[Mapping[str, str]], Reply]:
        return lambda names: json_reply(200, document(names["model"], names.get("version")))

    live = of_server(lambda: {"live": True})
    yield _page("/v2/health/live", "v2_live", "V2: whether the server lives.", live, {})
    yield _page("/v2/health/ready", "v2_ready", "V2: whether the server is ready.", ready, _NOT_READY)
    for path, operation_id in (("/v2", "v2_server"), ("/v2/", "v2_server_slash")):
        server = of_server(description.server)
        yield _page(path, operation_id, "V2: name and extensions of the server.", server, {})
    yield _page("/v2/models", "v2_models", "V2: names of the models.", of_server(description.models), {})
    everything = of_server(lambda: description.statistics(None, None))
    yield _page("/v2/models/stats", "v2_stats", "V2: counts of everything that is served.", everything, {})
    for end, name, summary, document in (
        ("", "v2_model", "V2: inputs and outputs of a model.", description.model),
        ("/ready", "v2_model_ready", "V2: whether a model is ready.", description.ready),
        ("/config", "v2_config", "V2: a model as Triton's ModelConfig.", description.config),
        ("/stats", "v2_model_stats", "V2: counts of a model.", description.statistics),
    ):
        for middle, suffix in (("", ""), ("/versions/{version}", "_version")):
            path = f"/v2/models/{{model}}{middle}{end}"
            yield _page(path, name + suffix, summary, of_model(document), _NOT_SERVED)


def _page(
    path: str,
    operation_id: str,
    summary: str,
    make: Callable[[Mapping[str, str]], Reply],
    failures: Mapping[int, str],
) -> RawRoute:
    example = examples.PAGES[operation_id.removesuffix("_version").removesuffix("_slash")]
    schema = {"type": "object", "required": sorted(example)}
    answer = {"description": "So it is.", "content": {"application/json": {"schema": schema, "example": example}}}
    described = Described(operation_id, summary, {"200": answer, **error_responses(failures, ErrorBody)})
    return RawRoute("GET", path, Page(make, v2_error_reply if path.startswith("/v2") else error_reply), described)
