"""Drives a server with MLflow's scoring client; a process of its own, since importing it warns of MLflow's own types.

python mlflow_client.py HOST PORT TEXTS_AS_JSON    prints the predictions
"""

from __future__ import annotations

import json
import sys

import pandas as pd  # type: ignore[import-untyped]  # published without types
from mlflow.pyfunc.scoring_server.client import ScoringServerClient

host, port, texts = sys.argv[1:]
client = ScoringServerClient(host, int(port))
client.wait_server_ready(timeout=30)
assert client.get_version()
frame = client.invoke(pd.DataFrame({"text": json.loads(texts)})).get_predictions()
print(json.dumps(frame.to_dict("list")))
