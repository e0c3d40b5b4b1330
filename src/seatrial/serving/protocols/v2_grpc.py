"""V2 over gRPC: messages in, messages out.

Source: Open Inference Protocol V2, gRPC.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message

from seatrial.domain.errors import InvalidRequestError, NotReadyError
from seatrial.serving.exchange import Asked, Lifecycle, Served
from seatrial.serving.protocols.proto import inference_pb2 as pb
from seatrial.serving.protocols.tensors import Tensor, from_bytes, from_json, to_bytes, to_json
from seatrial.serving.protocols.v2_description import V2Description
from seatrial.serving.protocols.v2_inference import ChosenOutput, Wanted, ask, outputs

__all__ = ["SERVICE", "Describe", "describing_calls", "parse", "render"]

SERVICE = pb.DESCRIPTOR.services_by_name["GRPCInferenceService"]

Describe = Callable[[Any], Message]

_CONTENTS = {
    "BOOL": "bool_contents",
    **dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents"),
    "INT64": "int64_contents",
    **dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents"),
    "UINT64": "uint64_contents",
    "BYTES": "bytes_contents",
    "FP32": "fp32_contents",
}


def parse(request: pb.ModelInferRequest) -> Asked[Wanted]:
    """Reads a request.

    Raises:
        InvalidRequestError: tensors or parameters do not fit.
        UnsupportedFeatureError: it needs what is not offered.
    """
    return ask(
        request.id,
        _tensors(request),
        [ChosenOutput(output.name, _plain(output.parameters)) for output in request.outputs],
        _plain(request.parameters),
    )


def render(served: Served[Wanted], request: pb.ModelInferRequest) -> pb.ModelInferResponse:
    """Writes an answer: in raw form if the request was, else typed."""
    variant = served.variant
    response = pb.ModelInferResponse(
        model_name=variant.model, model_version=variant.version, id=served.asked.form.echo_id
    )
    raw = bool(request.raw_input_contents)
    for tensor in outputs(served):
        written = response.outputs.add(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape)
        if raw:
            response.raw_output_contents.append(to_bytes(tensor))
        else:
            elements = to_json(tensor)
            typed = [text.encode() for text in elements] if tensor.datatype == "BYTES" else elements
            getattr(written.contents, _CONTENTS[tensor.datatype]).extend(typed)
    return response


def describing_calls(lifecycle: Lifecycle) -> Mapping[str, Describe]:
    """Every call but ModelInfer, by name; each may raise a RequestError."""
    description, plane = V2Description(lifecycle), lifecycle.plane

    def server_ready(_request: pb.ServerReadyRequest) -> Message:
        try:
            plane.require_ready()
        except NotReadyError:
            return pb.ServerReadyResponse(ready=False)
        return pb.ServerReadyResponse(ready=True)

    def model_ready(request: pb.ModelReadyRequest) -> Message:
        return pb.ModelReadyResponse(ready=description.ready(request.name, request.version or None)["ready"])

    return {
        "ServerLive": lambda _request: pb.ServerLiveResponse(live=True),
        "ServerReady": server_ready,
        "ModelReady": model_ready,
        "ServerMetadata": lambda _request: _written(description.server(), pb.ServerMetadataResponse()),
        "ModelMetadata": lambda request: _written(
            description.model(request.name, request.version or None), pb.ModelMetadataResponse()
        ),
        "ModelConfig": lambda request: _written(
            {"config": description.config(request.name, request.version or None)}, pb.ModelConfigResponse()
        ),
        "ModelStatistics": lambda request: _written(
            description.statistics(request.name or None, request.version or None), pb.ModelStatisticsResponse()
        ),
        "RepositoryIndex": lambda _request: _written({"models": description.index()}, pb.RepositoryIndexResponse()),
    }


def _written(document: Mapping[str, Any], message: Message) -> Message:
    return json_format.ParseDict(document, message)


def _plain(parameters: Mapping[str, pb.InferParameter]) -> dict[str, Any]:
    chosen = {name: parameter.WhichOneof("parameter_choice") for name, parameter in parameters.items()}
    return {name: getattr(parameters[name], kind) for name, kind in chosen.items() if kind is not None}


def _tensors(request: pb.ModelInferRequest) -> list[Tensor]:
    raw = request.raw_input_contents
    if not raw:
        return [_typed(tensor) for tensor in request.inputs]
    if len(raw) != len(request.inputs):
        raise InvalidRequestError(f"{len(request.inputs)} inputs come with {len(raw)} raw contents: send one for each.")
    for tensor in request.inputs:
        if tensor.HasField("contents"):
            raise InvalidRequestError(
                f"{tensor.name[:100]!r} has contents beside raw_input_contents: send one of them."
            )
    return [
        from_bytes(tensor.name[:100], tensor.datatype, tensor.shape, content)
        for tensor, content in zip(request.inputs, raw, strict=True)
    ]


def _typed(tensor: pb.ModelInferRequest.InferInputTensor) -> Tensor:
    name = tensor.name[:100]
    field = _CONTENTS.get(tensor.datatype, "bytes_contents")
    elements: list[Any] = list(getattr(tensor.contents, field))
    if tensor.datatype == "BYTES":
        try:
            elements = [str(element, "utf-8") for element in elements]
        except UnicodeDecodeError:
            raise InvalidRequestError(f"{name} is not UTF-8: send text.") from None
    return from_json(name, tensor.datatype, tensor.shape, elements)
