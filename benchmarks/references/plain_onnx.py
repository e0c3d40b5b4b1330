"""Plain FastAPI and ONNX Runtime: FastAPI's thread pool, the Rust tokenizer, no batching across requests.

python plain_onnx.py DIRECTORY_WITH_MODEL_AND_TOKENIZER PORT INTRA_OP_THREADS
"""

import sys
import time
from pathlib import Path

import numpy as np
import onnxruntime
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from tokenizers import Tokenizer

directory = Path(sys.argv[1])
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = int(sys.argv[3])
session = onnxruntime.InferenceSession(directory / "model.onnx", options, providers=["CPUExecutionProvider"])
tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
tokenizer.enable_truncation(128)
tokenizer.enable_padding()
app = FastAPI()


class InferenceRequest(BaseModel):
    texts: list[str]


class InferenceResponse(BaseModel):
    predictions: list[str]
    probabilities: list[list[float]]
    latency_ms: float


@app.post("/predict")
def predict(request: InferenceRequest) -> InferenceResponse:
    start = time.perf_counter()
    encodings = tokenizer.encode_batch(request.texts)
    logits = session.run(
        ["logits"],
        {
            "input_ids": np.array([encoding.ids for encoding in encodings], np.int64),
            "attention_mask": np.array([encoding.attention_mask for encoding in encodings], np.int64),
        },
    )[0]
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    rows = (exponentials / exponentials.sum(axis=1, keepdims=True)).tolist()
    return InferenceResponse(
        predictions=["positive" if row[1] > 0.5 else "negative" for row in rows],
        probabilities=rows,
        latency_ms=(time.perf_counter() - start) * 1000,
    )


@app.get("/health")
def health() -> dict[str, str]:
    return {"status": "healthy"}


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="warning")
