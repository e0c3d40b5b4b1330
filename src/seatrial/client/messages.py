"""What a client asks and what it hears: typed requests and answers, checked before anybody relies on them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict, overload
from urllib.parse import quote

import msgspec

from seatrial.client.exchange import Reply, Request
from seatrial.domain.errors import InvalidRequestError, UnreadableAnswerError

__all__ = [
    "HEALTH",
    "READY",
    "Asked",
    "Health",
    "Prediction",
    "Predictions",
    "health_in",
    "label_feedback",
    "metric_feedback",
    "predict_request",
    "predictions_in",
]

HEALTH = Request("GET", "/health")
READY = Request("GET", "/ready")

_JSON = {"content-type": "application/json"}


class Asked(TypedDict, total=False):
    """What a call may say besides its texts.

    Attributes:
        max_length: tokens each text is cut to; None: what the server is set to.
        unit: user or session: all its requests get the same version.
        model: which model is asked; None: the server's default, or its only one.
        headers: sent as they are: `X-Request-Id`, `traceparent`.
    """

    max_length: int | None
    unit: str | None
    model: str | None
    headers: Mapping[str, str] | None


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a model says about one text.

    Attributes:
        label: the likeliest.
        probabilities: of every label, in the model's order.
        model: that answered.
        version: of the model.

    Example:
        >>> Prediction("positive", {"negative": 0.25, "positive": 0.75}, "bert-sentiment", "7").confidence
        0.75
    """

    label: str
    probabilities: Mapping[str, float]
    model: str
    version: str

    @property
    def confidence(self) -> float:
        """Probability of the label."""
        return self.probabilities[self.label]


@dataclass(frozen=True, slots=True)
class Predictions(Sequence[Prediction]):
    """The answer to one call: a sequence with a prediction for each text, in order.

    Attributes:
        request_id: names the request in logs and records, and in feedback.
        latency_ms: on the server, from request received to answer formed.
        clipped_to: tokens that `max_length` was lowered to because the model reads no more; None: it was not.
    """

    items: tuple[Prediction, ...]
    model: str
    version: str
    request_id: str
    latency_ms: float
    clipped_to: int | None = None

    @property
    def labels(self) -> list[str]:
        """The label of each text."""
        return [item.label for item in self.items]

    @overload
    def __getitem__(self, index: int) -> Prediction: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Prediction]: ...
    def __getitem__(self, index: int | slice) -> Prediction | Sequence[Prediction]:
        return self.items[index]

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Prediction]:
        return iter(self.items)


class Health(msgspec.Struct, frozen=True):
    """What a server says about itself."""

    status: str
    model_loaded: bool


class _Answer(msgspec.Struct, frozen=True):
    predictions: list[str]
    probabilities: list[list[float]]
    labels: list[str]
    latency_ms: float
    model: str
    version: str
    request_id: str


_answers = msgspec.json.Decoder(_Answer)
_health = msgspec.json.Decoder(Health)


def predict_request(texts: Sequence[str], asked: Asked) -> Request:
    """A request for the predictions of texts.

    Raises:
        InvalidRequestError: a text is no text.
    """
    model = asked.get("model")
    path = f"/models/{quote(model, safe='')}/predict" if model else "/predict"
    fields = {"max_length": asked.get("max_length"), "unit": asked.get("unit")}
    body = _encoded({"texts": texts, **{name: value for name, value in fields.items() if value is not None}})
    return Request("POST", path, body, {**_JSON, **(asked.get("headers") or {})})


def predictions_in(reply: Reply, texts: int) -> Predictions:
    """The predictions of so many texts.

    Raises:
        UnreadableAnswerError: the body is not an answer about them.
    """
    try:
        answer = _answers.decode(reply.body)
        items = tuple(
            Prediction(label, dict(zip(answer.labels, row, strict=True)), answer.model, answer.version)
            for label, row in zip(answer.predictions, answer.probabilities, strict=True)
        )
        if len(items) != texts or not {item.label for item in items} <= set(answer.labels):
            raise ValueError(f"{len(items)} predictions for {texts} texts")
    except (msgspec.DecodeError, ValueError) as error:
        raise _unreadable(error) from error
    clipped = reply.headers.get("x-seatrial-max-length", "")
    clipped_to = int(clipped) if re.fullmatch(r"[0-9]{1,9}", clipped) else None
    return Predictions(items, answer.model, answer.version, answer.request_id, answer.latency_ms, clipped_to)


def health_in(reply: Reply) -> Health:
    """What the server says about itself.

    Raises:
        UnreadableAnswerError: the body says nothing of the kind.
    """
    try:
        return _health.decode(reply.body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _unreadable(error) from error


def label_feedback(request_id: str, index: int, label: str) -> Request:
    """The true label of one text of an earlier request; told twice, it is the same truth."""
    return Request("POST", "/feedback", _encoded({"request_id": request_id, "index": index, "label": label}), _JSON)


def metric_feedback(metric: str, value: float, *, unit: str | None, request_id: str | None) -> Request:
    """What came of an answer, such as a sale; told twice, it would count twice, so it is never repeated unasked.

    Raises:
        InvalidRequestError: it is told of neither or of both, a unit and a request.
    """
    if (unit is None) == (request_id is None):
        raise InvalidRequestError("Feedback belongs to a unit or to a request: give one of unit and request_id.")
    of = {"unit": unit} if request_id is None else {"request_id": request_id}
    body = _encoded({**of, "metric": metric, "value": value})
    return Request("POST", "/feedback", body, _JSON, repeatable=False)


def _encoded(document: Mapping[str, object]) -> bytes:
    texts = document.get("texts", ())
    assert isinstance(texts, Sequence)
    for place, text in enumerate(texts):
        if not isinstance(text, str):
            raise InvalidRequestError(f"Text {place} is no text but {type(text).__name__}: send strings.")
    try:
        return msgspec.json.encode(document)
    except UnicodeEncodeError:
        raise InvalidRequestError("A text holds half a surrogate pair, which no encoding has: repair it.") from None


def _unreadable(error: Exception) -> UnreadableAnswerError:
    return UnreadableAnswerError(
        f"The answer cannot be read ({error}): check that the address is that of a Seatrial data plane as new as this."
    )
