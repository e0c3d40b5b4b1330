"""The infer call of V2 over REST: JSON, with tensors in JSON or raw behind it.

Source: Open Inference Protocol V2, HTTP/REST; Triton's binary tensor data extension.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from seatrial.domain.errors import InvalidRequestError
from seatrial.serving.asgi import Reply, Scope, header
from seatrial.serving.exchange import Asked, Served
from seatrial.serving.http_errors import v2_error_reply
from seatrial.serving.protocols.tensors import (
    LONGEST_DIMENSION,
    MOST_DIMENSIONS,
    Tensor,
    from_bytes,
    from_json,
    to_bytes,
    to_json,
)
from seatrial.serving.protocols.v2_inference import ChosenOutput, Wanted, ask, outputs
from seatrial.serving.wire import check_media_type

__all__ = [
    "HEADER_LENGTH",
    "InferInput",
    "InferOutput",
    "InferRequest",
    "InferRequestedOutput",
    "InferResponse",
    "V2Protocol",
]

HEADER_LENGTH = "inference-header-content-length"
"""Names how many bytes of a body are JSON, where raw tensors follow."""

_EXAMPLE = '{"inputs": [{"name": "text", "datatype": "BYTES", "shape": [1], "data": ["The film was great."]}]}'
_Parameters = Annotated[
    dict[str, str | int | float | bool],
    Meta(
        description="Of a request: `max_length` (tokens a text is cut to), `unit` (user or session), `timeout` "
        "(microseconds), `binary_data_output`. Of an input: `binary_data_size`. Of an output: `binary_data`.",
        examples=[{"max_length": 128}],
    ),
]
_Datatype = Literal["BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "BYTES"]
_Dimension = Annotated[int, Meta(ge=1, le=LONGEST_DIMENSION)]


class InferInput(msgspec.Struct, frozen=True):
    """A tensor that is asked about."""

    name: Annotated[str, Meta(examples=["text"])]
    shape: Annotated[list[_Dimension], Meta(min_length=1, max_length=MOST_DIMENSIONS, examples=[[2]])]
    datatype: Annotated[_Datatype, Meta(examples=["BYTES"])]
    parameters: _Parameters = {}
    data: Annotated[
        list[Any] | None,
        Meta(
            description="The elements, nested or flat; left out where they follow as bytes.",
            examples=[["The film was great.", "Poor plot."]],
        ),
    ] = None


class InferRequestedOutput(msgspec.Struct, frozen=True):
    """A tensor that is wanted."""

    name: Annotated[str, Meta(description="`label`, `probabilities` or `logits`.", examples=["label"])]
    parameters: _Parameters = {}


class InferRequest(msgspec.Struct, frozen=True):
    """Texts (`text`, BYTES) or token ids (`input_ids` and `attention_mask`, INT64), and the outputs that are wanted."""

    inputs: list[InferInput]
    id: Annotated[str, Meta(description="Comes back with the answer.", examples=["42"])] = ""
    parameters: _Parameters = {}
    outputs: Annotated[
        list[InferRequestedOutput], Meta(description="All of them for texts, `logits` for token ids if left out.")
    ] = []


class InferOutput(msgspec.Struct, frozen=True, omit_defaults=True):
    """A tensor of the answer."""

    name: Annotated[str, Meta(examples=["label"])]
    shape: Annotated[list[int], Meta(examples=[[2]])]
    datatype: Annotated[str, Meta(examples=["BYTES"])]
    parameters: dict[str, int] = {}
    data: Annotated[list[Any] | None, Meta(examples=[["positive", "negative"]])] = None


class InferResponse(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the model says."""

    model_name: Annotated[str, Meta(examples=["bert-sentiment"])]
    model_version: Annotated[str, Meta(examples=["7"])]
    outputs: list[InferOutput]
    id: Annotated[str, Meta(description="That of the request, if it had one.", examples=["42"])] = ""


_decoder = msgspec.json.Decoder(InferRequest)


class V2Protocol:
    """Reads and writes V2 over REST."""

    def parse(self, scope: Scope, body: bytes) -> Asked[Wanted]:
        """Reads a request, whatever its content type: clients that send bytes seldom say what they are.

        Raises:
            InvalidRequestError: it is none.
        """
        check_media_type(None, header(scope, b"content-encoding"))
        header_bytes = _header_bytes(scope, len(body))
        request = _decode(body[:header_bytes] if header_bytes < len(body) else body)
        return ask(
            request.id,
            _tensors(request.inputs, memoryview(body)[header_bytes:]),
            [ChosenOutput(output.name, output.parameters) for output in request.outputs],
            request.parameters,
        )

    def render(self, served: Served[Wanted]) -> Reply:
        """Writes an answer; where raw tensors were asked for, they stand behind the JSON."""
        wanted = served.asked.form
        written: list[InferOutput] = []
        raw: list[bytes] = []
        for tensor in outputs(served):
            shape = list(tensor.shape)
            if tensor.name in wanted.binary:
                raw.append(to_bytes(tensor))
                size = {"binary_data_size": len(raw[-1])}
                written.append(InferOutput(tensor.name, shape, tensor.datatype, size))
            else:
                written.append(InferOutput(tensor.name, shape, tensor.datatype, data=to_json(tensor)))
        variant = served.variant
        head = msgspec.json.encode(InferResponse(variant.model, variant.version, written, wanted.echo_id))
        if not raw:
            return Reply(200, head)
        headers = ((HEADER_LENGTH, str(len(head))),)
        return Reply(200, b"".join((head, *raw)), "application/octet-stream", headers)

    def refuse(self, error: Exception) -> Reply:
        """Writes an error."""
        return v2_error_reply(error)


def _header_bytes(scope: Scope, body_bytes: int) -> int:
    """How many bytes of the body are JSON."""
    declared = header(scope, HEADER_LENGTH.encode())
    if declared is None:
        return body_bytes
    if not declared.isascii() or not declared.isdecimal() or len(declared) > 12 or int(declared) > body_bytes:
        raise InvalidRequestError(
            f"Inference-Header-Content-Length is not a length within the {body_bytes} bytes sent."
        )
    return int(declared)


def _decode(body: bytes) -> InferRequest:
    try:
        return _decoder.decode(body)
    except RecursionError:
        raise InvalidRequestError(f"The body is nested too deeply: send {_EXAMPLE}.") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidRequestError(f"The body is no inference request ({error}): send {_EXAMPLE}.") from None


def _tensors(inputs: list[InferInput], raw: memoryview) -> list[Tensor]:
    """The tensors, raw ones taken in their order from the bytes behind the JSON."""
    tensors: list[Tensor] = []
    for written in inputs:
        name, size = written.name[:100], written.parameters.get("binary_data_size")
        if size is None:
            if written.data is None:
                raise InvalidRequestError(f"Input {name!r} has no data.")
            tensors.append(from_json(name, written.datatype, written.shape, written.data))
            continue
        if type(size) is not int or not 0 <= size <= len(raw):
            raise InvalidRequestError(f"binary_data_size of {name!r} is no length within the {len(raw)} bytes left.")
        tensors.append(from_bytes(name, written.datatype, written.shape, raw[:size]))
        raw = raw[size:]
    if len(raw):
        raise InvalidRequestError(f"{len(raw)} bytes stand behind the last tensor: declare each binary_data_size.")
    return tensors
