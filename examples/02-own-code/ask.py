"""Asks a served model: python ask.py ADDRESSES TEXT..., with what `seatrial serve --json` prints in ADDRESSES."""

import json
import sys
import urllib.request
from pathlib import Path

served, texts = json.loads(Path(sys.argv[1]).read_text("utf-8")), sys.argv[2:]
request = urllib.request.Request(
    f"{served['public']}/predict", json.dumps({"texts": texts}).encode(), {"Content-Type": "application/json"}
)
with urllib.request.urlopen(request) as response:
    answer = json.load(response)
print(f"{answer['model']}@{answer['version']} answers in {answer['latency_ms']:.1f} ms:")
for text, label, probabilities in zip(texts, answer["predictions"], answer["probabilities"], strict=True):
    print(f"{label:>10} {max(probabilities):.3f}  {text}")
