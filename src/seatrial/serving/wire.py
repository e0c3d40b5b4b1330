"""The JSON of /predict: the one definition that both parses it and documents it."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from seatrial.domain.errors import InvalidRequestError, MediaTypeError

__all__ = [
    "ErrorBody",
    "MlflowErrorBody",
    "PredictRequest",
    "PredictResponse",
    "check_media_type",
    "check_unit",
    "parse_request",
    "schema_of",
]

_MOST_UNIT_CHARS = 256
_EXAMPLE = '{"texts": ["The film was great."]}'


class PredictRequest(msgspec.Struct, frozen=True):
    """Texts to classify. Fields that are not known are ignored, so that clients may be newer than the server."""

    texts: Annotated[
        list[str],
        Meta(description="The texts, in order. None may be empty.", examples=[["The film was great.", "Poor plot."]]),
    ]
    max_length: Annotated[
        int | None,
        Meta(
            description="Tokens each text is cut to, special tokens included. More than the model reads is clipped, "
            "and the header X-Seatrial-Max-Length says to what.",
            examples=[128],
        ),
    ] = None
    unit: Annotated[
        str | None,
        Meta(description="User or session; all requests of one unit get the same version.", examples=["user-17"]),
    ] = None


class PredictResponse(msgspec.Struct, frozen=True):
    """What the model says, in the order of the texts."""

    predictions: Annotated[list[str], Meta(description="Label of each text.", examples=[["positive", "negative"]])]
    probabilities: Annotated[
        list[list[float]],
        Meta(description="Softmax over the labels, in the model's order.", examples=[[[0.02, 0.98], [0.91, 0.09]]]),
    ]
    labels: Annotated[
        list[str], Meta(description="What the columns of probabilities mean.", examples=[["negative", "positive"]])
    ]
    latency_ms: Annotated[float, Meta(description="From request received to answer formed.", examples=[9.7])]
    model: Annotated[str, Meta(description="The model that answered.", examples=["bert-sentiment"])]
    version: Annotated[str, Meta(description="Its version.", examples=["7"])]
    request_id: Annotated[
        str, Meta(description="The header X-Request-Id of the request, or one made here.", examples=["9f1c6e"])
    ]


class ErrorBody(msgspec.Struct, frozen=True):
    """Why there is no prediction, and what to do."""

    error: Annotated[str, Meta(examples=["texts is empty: send at least one text."])]


class MlflowErrorBody(msgspec.Struct, frozen=True):
    """The same in the words of MLflow's clients."""

    error_code: Annotated[str, Meta(examples=["BAD_REQUEST"])]
    message: Annotated[str, Meta(examples=["texts is empty: send at least one text."])]
    error: Annotated[str, Meta(examples=["texts is empty: send at least one text."])]


_decoder = msgspec.json.Decoder(PredictRequest)


def parse_request(body: bytes) -> PredictRequest:
    """Reads a body strictly: no coercion, no NaN, UTF-8 only.

    Raises:
        InvalidRequestError: it is not JSON, or not a request.

    Example:
        >>> parse_request(b'{"texts": ["fine"], "colour": "red"}').texts
        ['fine']
    """
    try:
        request = _decoder.decode(body)
    except RecursionError:
        raise InvalidRequestError(f"The body is nested too deeply: send {_EXAMPLE}.") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidRequestError(f"The body is no request ({error}): send {_EXAMPLE}.") from None
    if request.unit is not None:
        check_unit(request.unit)
    return request


def check_unit(unit: str) -> str:
    """The unit, if it can be one.

    Raises:
        InvalidRequestError: it is empty or too long.
    """
    if not 0 < len(unit) <= _MOST_UNIT_CHARS:
        raise InvalidRequestError(f"unit has {len(unit)} characters: send 1 to {_MOST_UNIT_CHARS}, or leave it out.")
    return unit


def check_media_type(content_type: str | None, content_encoding: str | None) -> None:
    """Refuses a body that is declared as something other than JSON in UTF-8; no declaration is fine.

    Raises:
        MediaTypeError: the type or the encoding cannot be read.

    Example:
        >>> check_media_type("application/json; charset=UTF-8", None)
    """
    kind, _, parameters = (content_type or "application/json").lower().partition(";")
    kind, charset = kind.strip(), parameters.replace(" ", "").replace('"', "")
    if not (kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))):
        raise MediaTypeError(f"Content-Type {kind[:100]!r} is not read here: send JSON as application/json.")
    if charset.startswith("charset=") and charset not in ("charset=utf-8", "charset=utf8"):
        raise MediaTypeError(f"{charset[:100]!r} is not read here: send JSON in UTF-8.")
    if content_encoding and content_encoding.lower() != "identity":
        raise MediaTypeError(f"Content-Encoding {content_encoding[:100]!r} is not read here: send gzip, zstd or none.")


def schema_of(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """The JSON schema of a body, whole in itself."""
    _, components = msgspec.json.schema_components([kind])
    schema: dict[str, Any] = _inlined(components[kind.__name__], components)
    return schema


def _inlined(schema: Any, components: dict[str, Any]) -> Any:
    """The schema with what it refers to in place of the references."""
    if isinstance(schema, list):
        return [_inlined(part, components) for part in schema]
    if not isinstance(schema, dict):
        return schema
    parts = {key: _inlined(part, components) for key, part in schema.items() if key != "$ref"}
    if "$ref" not in schema:
        return parts
    return _inlined(components[schema["$ref"].rpartition("/")[2]], components) | parts
