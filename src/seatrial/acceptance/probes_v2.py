"""The Open Inference Protocol V2 over REST as a table of probes, and MLflow scoring."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from seatrial.acceptance.exchange import Reply
from seatrial.acceptance.probes import Probe, is_error, json_body
from seatrial.acceptance.subject import Subject

__all__ = ["mlflow_probes", "v2_probes"]


def v2_probes(subject: Subject) -> Iterator[Probe]:
    """What V2 clients ask before they infer, inference with and without a version, and how mistakes are refused."""
    model, version = f"/v2/models/{subject.model}", f"/versions/{subject.version}"
    for path, keys in (
        ("/v2/health/live", ("live",)),
        ("/v2/health/ready", ("live", "ready")),
        ("/v2", ("name", "version", "extensions")),
        (model, ("name", "versions", "platform", "inputs", "outputs")),
        (model + version, ("name", "versions", "platform", "inputs", "outputs")),
        (f"{model}/ready", ("name", "ready")),
        (f"{model}/config", ("name", "max_batch_size", "input", "output")),
        (f"{model}/stats", ("model_stats",)),
    ):
        yield Probe(f"GET {path}", "GET", path, 200, _has(*keys))
    texts = list(subject.rows.texts[:2])
    body = json_body(id="42", inputs=[_tensor(texts)])
    for path in (f"{model}/infer", f"{model}{version}/infer"):
        yield Probe(f"POST {path}", "POST", path, 200, _infers(subject, len(texts)), body)
    for name, path, status, refused in (
        ("V2: an unknown model", "/v2/models/no-such-model/infer", 404, body),
        ("V2: an unknown version", f"{model}/versions/999999999/infer", 404, body),
        ("V2: a body that is no JSON", f"{model}/infer", 400, b"{"),
        ("V2: no inputs", f"{model}/infer", 400, json_body(inputs=[])),
        ("V2: an empty text", f"{model}/infer", 400, json_body(inputs=[_tensor([""])])),
        ("V2: a shape of other size", f"{model}/infer", 400, json_body(inputs=[{**_tensor(texts), "shape": [7]}])),
    ):
        yield Probe(name, "POST", path, status, is_error, refused)


def mlflow_probes(subject: Subject) -> Iterator[Probe]:
    """What MLflow's scoring client asks."""
    texts = list(subject.rows.texts[:2])
    yield Probe("GET /ping", "GET", "/ping", 200)
    yield Probe("GET /version", "GET", "/version", 200)
    predicts = _predicts(subject, len(texts))
    for name, body in (
        ("inputs", json_body(inputs=texts)),
        ("dataframe_split", json_body(dataframe_split={"columns": ["text"], "data": [[text] for text in texts]})),
    ):
        yield Probe(f"POST /invocations, {name}", "POST", "/invocations", 200, predicts, body)
    said = _has("error_code", "message")
    yield Probe("MLflow: nothing to score", "POST", "/invocations", 400, said, b"{}")
    yield Probe("MLflow: a body that is no JSON", "POST", "/invocations", 400, said, b"{")
    html = {"Content-Type": "text/html"}
    yield Probe("MLflow: another media type", "POST", "/invocations", 415, said, b"{}", html)


def _tensor(texts: list[str]) -> dict[str, Any]:
    return {"name": "text", "datatype": "BYTES", "shape": [len(texts)], "data": texts}


def _has(*keys: str) -> Callable[[Reply], str]:
    """Whether a body is a JSON object with these keys."""

    def fault_of(reply: Reply) -> str:
        document = reply.document
        missing = [key for key in keys if not isinstance(document, dict) or key not in document]
        return f"{', '.join(missing)} missing: {reply.body[:200]!r}" if missing else ""

    return fault_of


def _infers(subject: Subject, count: int) -> Callable[[Reply], str]:
    """Whether a V2 answer names model and version, gives the id back, and has labels and probabilities."""

    def fault_of(reply: Reply) -> str:
        try:
            document = reply.document
            named = document["model_name"], document["model_version"], document["id"]
            outputs = {output["name"]: output for output in document["outputs"]}
            labels, sizes = outputs["label"]["data"], len(outputs["probabilities"]["data"])
        except (TypeError, KeyError) as error:
            return f"{error!r} in {reply.body[:200]!r}"
        if named != (subject.model, subject.version, "42"):
            return f"it calls itself {named}"
        if len(labels) != count or not set(labels) <= set(subject.labels):
            return f"labels {labels!r} for {count} texts"
        wanted = count * len(subject.labels)
        return "" if sizes == wanted else f"{sizes} probabilities instead of {wanted}"

    return fault_of


def _predicts(subject: Subject, count: int) -> Callable[[Reply], str]:
    def fault_of(reply: Reply) -> str:
        try:
            labels = [row["label"] for row in reply.document["predictions"]]
        except (TypeError, KeyError) as error:
            return f"{error!r} in {reply.body[:200]!r}"
        return "" if len(labels) == count and set(labels) <= set(subject.labels) else f"labels {labels!r}"

    return fault_of
