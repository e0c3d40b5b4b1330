"""Requests and answers that the API's description shows; tests send the requests and compare the answers' keys."""

from __future__ import annotations

from typing import Any

__all__ = ["CSV", "INFER", "INVOCATIONS", "PAGES", "PREDICT"]

_TEXTS = ["The film was great.", "Poor plot."]
_TEXT_TENSOR = {"name": "text", "datatype": "BYTES", "shape": [2], "data": _TEXTS}

PREDICT: tuple[dict[str, Any], ...] = (
    {"texts": _TEXTS},
    {"texts": _TEXTS[:1], "max_length": 128, "unit": "user-17"},
)

INFER: tuple[dict[str, Any], ...] = (
    {"inputs": [_TEXT_TENSOR]},
    {"id": "42", "inputs": [_TEXT_TENSOR], "outputs": [{"name": "label"}], "parameters": {"max_length": 128}},
    {
        "inputs": [
            {"name": "input_ids", "datatype": "INT64", "shape": [1, 4], "data": [[2, 5, 6, 3]]},
            {"name": "attention_mask", "datatype": "INT64", "shape": [1, 4], "data": [1, 1, 1, 1]},
        ]
    },
)

INVOCATIONS: tuple[dict[str, Any], ...] = (
    {"dataframe_split": {"columns": ["text"], "data": [[text] for text in _TEXTS]}},
    {"dataframe_records": [{"text": text} for text in _TEXTS]},
    {"instances": _TEXTS, "params": {"max_length": 128}},
    {"inputs": _TEXTS},
)

CSV = "text\nThe film was great.\nPoor plot.\n"

_DURATION = {"count": 1, "ns": 9_700_000}

PAGES: dict[str, dict[str, Any]] = {
    "health": {"status": "healthy", "model_loaded": True},
    "ready": {"ready": True, "served": ["bert-sentiment@7"]},
    "v2_live": {"live": True},
    "v2_ready": {"live": True, "ready": True},
    "v2_server": {"name": "seatrial", "version": "0.2.0", "extensions": ["binary_tensor_data", "statistics"]},
    "v2_models": {"models": ["bert-sentiment"]},
    "v2_model": {
        "name": "bert-sentiment",
        "versions": ["7"],
        "platform": "seatrial_text_classifier",
        "inputs": [{"name": "text", "datatype": "BYTES", "shape": [-1, 1]}],
        "outputs": [{"name": "label", "datatype": "BYTES", "shape": [-1, 1]}],
    },
    "v2_model_ready": {"name": "bert-sentiment", "ready": True},
    "v2_config": {
        "name": "bert-sentiment",
        "platform": "seatrial_text_classifier",
        "backend": "seatrial",
        "max_batch_size": 1024,
        "input": [{"name": "text", "data_type": "TYPE_STRING", "dims": [1], "optional": True}],
        "output": [{"name": "label", "data_type": "TYPE_STRING", "dims": [1]}],
    },
    "v2_stats": {
        "model_stats": [
            {
                "name": "bert-sentiment",
                "version": "7",
                "last_inference": 1767225600000,
                "inference_count": 2,
                "execution_count": 1,
                "inference_stats": {"success": _DURATION, "queue": _DURATION, "compute_infer": _DURATION},
                "batch_stats": [],
            }
        ]
    },
}
PAGES["v2_model_stats"] = PAGES["v2_stats"]
