"""The contract as a table: every path that a version is served under, right questions and bad ones, and their answers.

A probe asks once and compares; what the model says is `golden`'s business, how fast is the loads'.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from seatrial.acceptance.exchange import JSON, Reply, Session
from seatrial.acceptance.figures import Asked
from seatrial.acceptance.subject import Served, Subject
from seatrial.domain.errors import UnreachableError

__all__ = ["Probe", "is_error", "is_object", "json_body", "predict_probes", "probe"]

_SUM_TOLERANCE = 1e-3


@dataclass(frozen=True, slots=True)
class Probe:
    """One question and what must be answered.

    Attributes:
        name: for people.
        status: the only right one.
        fault_of: what is wrong with an answer of the right status; empty where nothing is.
        internal: asked on the internal port.
    """

    name: str
    method: str
    path: str
    status: int
    fault_of: Callable[[Reply], str] = lambda _reply: ""
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=lambda: JSON)
    internal: bool = False


def probe(served: Served, probes: Iterator[Probe]) -> list[Asked]:
    """Asks every probe, each on a connection of its own: a refusal may end one."""
    return [Asked(each.name, _fault_of(each, served)) for each in probes]


def _fault_of(each: Probe, served: Served) -> str:
    with Session.to(served.internal_url if each.internal else served.url) as session:
        try:
            reply = session.ask(each.method, each.path, each.body, each.headers)
        except UnreachableError as error:
            return str(error)
    if reply.status != each.status:
        return f"status {reply.status} instead of {each.status}: {reply.body[:200].decode('utf-8', 'replace')}"
    return each.fault_of(reply)


def predict_probes(subject: Subject) -> Iterator[Probe]:
    """Our own protocol: /predict, the probes of orchestrators, /metrics, and how each mistake is refused."""
    yield Probe("GET /health", "GET", "/health", 200, is_object)
    yield Probe("GET /ready", "GET", "/ready", 200, is_object)
    yield Probe("GET /metrics", "GET", "/metrics", 200, _has_series, internal=True)
    texts = list(subject.rows.texts[:2])
    body, answered = json_body(texts=texts), _answers(subject, len(texts))
    for path in ("/predict", f"/models/{subject.model}/predict"):
        yield Probe(f"POST {path}", "POST", path, 200, answered, body)
    yield from _refused(subject, texts)


def _refused(subject: Subject, texts: list[str]) -> Iterator[Probe]:
    too_many = json_body(texts=["a"] * (subject.limits.max_texts + 1))
    for name, path, status, body in (
        ("an unknown model", "/models/no-such-model/predict", 404, json_body(texts=texts)),
        ("an unknown path", "/no-such-path", 404, json_body(texts=texts)),
        ("an empty body", "/predict", 400, b""),
        ("a body that is no JSON", "/predict", 400, b"texts=fine"),
        ("a body cut off", "/predict", 400, b'{"texts": ["cut off"'),
        ("no texts", "/predict", 400, b"{}"),
        ("an empty list", "/predict", 400, json_body(texts=[])),
        ("texts that are no list", "/predict", 400, json_body(texts="fine")),
        ("a number among the texts", "/predict", 400, json_body(texts=["fine", 3])),
        ("an empty text", "/predict", 400, json_body(texts=[" "])),
        ("bytes that are no UTF-8", "/predict", 400, b'{"texts": ["\xff"]}'),
        ("a max_length that is no number", "/predict", 400, json_body(texts=texts, max_length="long")),
        ("too many texts", "/predict", 413, too_many),
    ):
        yield Probe(name, "POST", path, status, is_error, body)
    yield Probe("another media type", "POST", "/predict", 415, is_error, b"fine", {"Content-Type": "text/html"})
    yield Probe("another method", "GET", "/predict", 405, is_error)


def json_body(**fields: Any) -> bytes:
    """A JSON object as a body."""
    return json.dumps(fields).encode()


def is_object(reply: Reply) -> str:
    """Nothing where the body is a JSON object."""
    return "" if isinstance(reply.document, dict) else f"no JSON object: {reply.body[:200]!r}"


def is_error(reply: Reply) -> str:
    """Nothing where the body is an object with the one key ``error``, whose value is a sentence."""
    document = reply.document
    if isinstance(document, dict) and list(document) == ["error"]:
        sentence = document["error"]
        if isinstance(sentence, str) and sentence.strip():
            return "" if "Traceback" not in sentence else "the error shows a trace of the program"
    return f'no {{"error": "…"}}: {reply.body[:200]!r}'


def _has_series(reply: Reply) -> str:
    return "" if b"inference_requests_total" in reply.body else "inference_requests_total is missing"


def _answers(subject: Subject, count: int) -> Callable[[Reply], str]:
    """Whether a body of /predict says everything it must about so many texts."""

    def fault_of(reply: Reply) -> str:
        document = reply.document
        if not isinstance(document, dict):
            return f"no JSON object: {reply.body[:200]!r}"
        if (document.get("model"), document.get("version")) != (subject.model, subject.version):
            return f"{document.get('model')}@{document.get('version')} answers"
        if document.get("labels") != list(subject.labels):
            return f"labels {document.get('labels')} instead of {list(subject.labels)}"
        predictions, probabilities = document.get("predictions"), document.get("probabilities")
        if not _are_predictions(subject, count, predictions):
            return f"predictions {predictions!r} for {count} texts"
        if not _are_probabilities(subject, count, probabilities):
            return f"probabilities {probabilities!r} for {count} texts"
        missing = [name for name in ("latency_ms", "request_id") if name not in document]
        return f"{', '.join(missing)} missing" if missing else ""

    return fault_of


def _are_predictions(subject: Subject, count: int, predictions: Any) -> bool:
    return isinstance(predictions, list) and len(predictions) == count and set(predictions) <= set(subject.labels)


def _are_probabilities(subject: Subject, count: int, rows: Any) -> bool:
    """One number a label for each text, which are shares of one."""
    if not isinstance(rows, list) or len(rows) != count:
        return False
    for row in rows:
        numbers = isinstance(row, list) and all(isinstance(value, int | float) for value in row)
        if not numbers or len(row) != len(subject.labels) or abs(sum(row) - 1) > _SUM_TOLERANCE:
            return False
    return True
