"""Drives a server with NVIDIA's clients; run by an environment that has them, which knows nothing of Seatrial.

python triton_clients.py HTTP_ADDRESS GRPC_ADDRESS TEXTS_AS_JSON    prints what each client was answered
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import numpy as np
import tritonclient.grpc
import tritonclient.grpc.aio
import tritonclient.http
import tritonclient.http.aio

http_address, grpc_address, written = sys.argv[1:]
texts = json.loads(written)
answers: dict[str, Any] = {}


def inputs(client: Any) -> list[Any]:
    tensor = client.InferInput("text", [len(texts), 1], "BYTES")
    tensor.set_data_from_numpy(np.array([[text.encode()] for text in texts], dtype=object))
    return [tensor]


def keep(name: str, result: Any) -> None:
    labels = [label.decode() for label in result.as_numpy("label").ravel()]
    answers[name] = {"labels": labels, "probabilities": result.as_numpy("probabilities").tolist()}


async def ask_aio() -> None:
    async with tritonclient.http.aio.InferenceServerClient(http_address) as client:
        keep("http aio", await client.infer("tiny", inputs(tritonclient.http)))
    async with tritonclient.grpc.aio.InferenceServerClient(grpc_address) as client:
        keep("grpc aio", await client.infer("tiny", inputs(tritonclient.grpc)))


def ask_about(client: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("tiny")
    assert client.is_model_ready("tiny", "1")
    assert client.get_server_metadata()
    assert client.get_model_metadata("tiny")
    assert client.get_model_config("tiny")
    assert client.get_inference_statistics("tiny")


with tritonclient.http.InferenceServerClient(http_address) as client:
    ask_about(client)
    keep("http", client.infer("tiny", inputs(tritonclient.http)))
    keep("http, a version", client.infer("tiny", inputs(tritonclient.http), model_version="1", request_id="7"))
    keep("http, gzip", client.infer("tiny", inputs(tritonclient.http), request_compression_algorithm="gzip"))
    try:
        client.infer("nope", inputs(tritonclient.http))
    except tritonclient.http.InferenceServerException as error:
        answers["http refusal"] = error.message()
with tritonclient.grpc.InferenceServerClient(grpc_address) as client:
    ask_about(client)
    assert client.get_model_repository_index().models
    keep("grpc", client.infer("tiny", inputs(tritonclient.grpc), model_version="1", request_id="7"))
asyncio.run(ask_aio())
print(json.dumps(answers))
