"""The JSON of /feedback: the one definition that both parses it and documents it."""

from __future__ import annotations

import re
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from seatrial.domain.errors import InvalidRequestError, PayloadTooLargeError
from seatrial.domain.inference import MetricValue, TrueLabel

__all__ = ["MOST_FEEDBACK", "FeedbackResponse", "LabelItem", "MetricItem", "feedback_schema", "parse_feedback"]

MOST_FEEDBACK = 1000
"""Most items in one request."""

_EXAMPLE = (
    '{"request_id": "5f0c", "index": 0, "label": "positive"} or {"unit": "user-17", "metric": "paid", "value": 9.5}'
)
_REQUEST_ID = r"^[A-Za-z0-9._:/+=@-]{1,128}$"
_METRIC = r"^[A-Za-z0-9._:/-]{1,64}$"

RequestId = Annotated[
    str,
    Meta(pattern=_REQUEST_ID, description="The `request_id` of the answer it is about.", examples=["9f1c6e"]),
]


class LabelItem(msgspec.Struct, frozen=True):
    """What the label of one text should have been. Fields that are not known are ignored."""

    request_id: RequestId
    index: Annotated[int, Meta(ge=0, le=2**31 - 1, description="Place of the text in its request.", examples=[0])]
    label: Annotated[
        str, Meta(min_length=1, max_length=256, description="One of the model's labels.", examples=["positive"])
    ]


class MetricItem(msgspec.Struct, frozen=True):
    """A figure about a unit, a request or both. It is an event: what is sent twice counts twice."""

    metric: Annotated[str, Meta(pattern=_METRIC, description="What was measured.", examples=["paid"])]
    value: Annotated[float, Meta(description="A finite number.", examples=[9.5])]
    unit: Annotated[str, Meta(min_length=1, max_length=256, description="User or session.")] | UnsetType = UNSET
    request_id: RequestId | UnsetType = UNSET


class FeedbackResponse(msgspec.Struct, frozen=True):
    """Feedback that is on the disk."""

    accepted: Annotated[int, Meta(description="Items that were written down.", examples=[1])]
    duplicates: Annotated[int, Meta(description="True labels that had been written down before.", examples=[0])]


class _Kind(msgspec.Struct):
    """Which kind of feedback an item is."""

    metric: Raw | UnsetType = UNSET
    label: Raw | UnsetType = UNSET


ItemT = TypeVar("ItemT")

# Each item is read from its own text: converting numbers that are parsed already fails on huge ones.
_items = msgspec.json.Decoder(list[Raw])
_kind = msgspec.json.Decoder(_Kind)
_label = msgspec.json.Decoder(LabelItem)
_metric = msgspec.json.Decoder(MetricItem)


def parse_feedback(body: bytes) -> list[TrueLabel | MetricValue]:
    """Reads one item or a list of them strictly: no coercion, no NaN, UTF-8 only.

    Raises:
        InvalidRequestError: it is not JSON, or an item is neither kind of feedback.
        PayloadTooLargeError: too many items.

    Example:
        >>> parse_feedback(b'{"request_id": "5f0c", "index": 0, "label": "positive"}')[0].label
        'positive'
    """
    items = _read(body, _items, "The body") if body.lstrip()[:1] == b"[" else [Raw(body)]
    if not items:
        raise InvalidRequestError(f"The list is empty: send {_EXAMPLE}.")
    if len(items) > MOST_FEEDBACK:
        raise PayloadTooLargeError(f"{len(items)} items are too many: send at most {MOST_FEEDBACK} at once.")
    single = len(items) == 1
    return [_item(item, "The body" if single else f"Item {place}") for place, item in enumerate(items)]


def _item(body: Raw, what: str) -> TrueLabel | MetricValue:
    """One item of either kind; the field `metric` tells which."""
    kind = _read(body, _kind, what)
    if kind.metric is UNSET:
        item = _read(body, _label, what)
        _check_plain(_REQUEST_ID, item.request_id, what)
        return TrueLabel(item.request_id, item.index, item.label)
    if kind.label is not UNSET:
        raise InvalidRequestError(f"{what} has both a label and a metric: send two items.")
    return _metric_value(_read(body, _metric, what), what)


def _metric_value(item: MetricItem, what: str) -> MetricValue:
    unit, request_id = item.unit or None, item.request_id or None
    if unit is None and request_id is None:
        raise InvalidRequestError(f"{what} says of nobody what it measured: send a unit, a request_id, or both.")
    _check_plain(_METRIC, item.metric, what)
    if request_id is not None:
        _check_plain(_REQUEST_ID, request_id, what)
    return MetricValue(item.metric, item.value, unit, request_id)


def _read(body: bytes | Raw, decoder: msgspec.json.Decoder[ItemT], what: str) -> ItemT:
    try:
        return decoder.decode(body)
    except RecursionError:
        raise InvalidRequestError(f"{what} is nested too deeply: send {_EXAMPLE}.") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidRequestError(f"{what} is no feedback ({error}): send {_EXAMPLE}.") from None


def _check_plain(pattern: str, text: str, what: str) -> None:
    """The patterns of JSON Schema let a line feed at the end pass."""
    if not re.fullmatch(pattern.removesuffix("$"), text):
        raise InvalidRequestError(f"{what} has a line feed in a name: send it without.")


def feedback_schema() -> dict[str, Any]:
    """The JSON schema of a request's body."""
    _, components = msgspec.json.schema_components([LabelItem, MetricItem])
    metric = {**components["MetricItem"], "anyOf": [{"required": ["unit"]}, {"required": ["request_id"]}]}
    label = {**components["LabelItem"], "not": {"required": ["metric"]}}
    metric["not"] = {"required": ["label"]}
    item = {"anyOf": [label, metric]}
    return {"anyOf": [item, {"type": "array", "items": item, "minItems": 1, "maxItems": MOST_FEEDBACK}]}
