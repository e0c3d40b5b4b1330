"""The service that introductions to model serving show: FastAPI, torch eager, one forward pass a request.

Written as such texts write it, on the processor in place of a GPU, and left as it is: it is what people start from.

    python textbook.py MODEL_DIRECTORY PORT
"""

import sys
import time

import torch
import uvicorn
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel
from transformers import AutoModelForSequenceClassification, AutoTokenizer

app = FastAPI(title="Inference service", version="1.0.0")
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
model = AutoModelForSequenceClassification.from_pretrained(sys.argv[1])
model.eval()


class InferenceRequest(BaseModel):
    texts: list[str]
    max_length: int = 128


class InferenceResponse(BaseModel):
    predictions: list[str]
    probabilities: list[list[float]]
    latency_ms: float


@app.post("/predict", response_model=InferenceResponse)
async def predict(request: InferenceRequest) -> InferenceResponse:
    start = time.time()
    try:
        inputs = tokenizer(
            request.texts, max_length=request.max_length, padding=True, truncation=True, return_tensors="pt"
        )
        with torch.no_grad():
            outputs = model(**inputs)
            probs = torch.softmax(outputs.logits, dim=-1)
        rows = probs.cpu().numpy().tolist()
        return InferenceResponse(
            predictions=["positive" if p[1] > 0.5 else "negative" for p in rows],
            probabilities=rows,
            latency_ms=round((time.time() - start) * 1000, 2),
        )
    except Exception as e:
        raise HTTPException(status_code=500, detail=str(e)) from e


@app.get("/health")
async def health() -> dict[str, object]:
    return {"status": "healthy", "model_loaded": model is not None}


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), workers=1, log_level="warning")
