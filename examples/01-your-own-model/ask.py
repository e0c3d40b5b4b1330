"""Asks a served model: python ask.py ADDRESSES TEXT..., with what `seatrial serve --json` prints in ADDRESSES."""

import json
import sys
from pathlib import Path

import seatrial

served, texts = json.loads(Path(sys.argv[1]).read_text("utf-8")), sys.argv[2:]
with seatrial.Client(served["public"]) as client:
    answer = client.predict(texts)
print(f"{answer.model}@{answer.version} answers in {answer.latency_ms:.1f} ms:")
for text, prediction in zip(texts, answer, strict=True):
    print(f"{prediction.label:>10} {prediction.confidence:.3f}  {text}")
