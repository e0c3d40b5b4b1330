"""Versions, signatures and lineages: what can be one and what cannot."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError

import pytest

from seatrial.domain.errors import UsageError
from seatrial.domain.model import Lineage, ModelVersion, Signature, TensorSpec

LABELS = ("negative", "positive")


def test_a_signature_says_what_goes_in_and_out() -> None:
    signature = Signature(LABELS, 128)
    assert [spec.name for spec in signature.inputs] == ["input_ids", "attention_mask"]
    assert signature.outputs == (TensorSpec("logits", "FP32", (-1, 2)),)
    assert Signature(("a", "b", "c"), 1).outputs[0].shape == (-1, 3)


def test_a_signature_comes_back_from_json() -> None:
    signature = Signature(("负面", "正面"), 64)
    assert Signature.from_json(json.loads(json.dumps(signature.to_json()))) == signature


@pytest.mark.parametrize("labels", [(), ("only",), ("same", "same"), ("a", "b", "a"), ("", "b")])
def test_labels_a_classifier_cannot_have(labels: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match="at least two distinct labels"):
        Signature(labels, 128)


@pytest.mark.parametrize("max_tokens", [0, -1])
def test_a_model_reads_at_least_one_token(max_tokens: int) -> None:
    with pytest.raises(UsageError, match="max_tokens must be at least 1"):
        Signature(LABELS, max_tokens)


def test_nouns_do_not_change() -> None:
    version = ModelVersion("m", 3, Signature(LABELS, 128))
    with pytest.raises(FrozenInstanceError):
        version.version = 4  # type: ignore[misc]
    assert version.ref == "m@3"


def test_a_lineage_is_ready_for_json() -> None:
    lineage = Lineage("key", parameters={"epochs": "1"}, metrics={"accuracy": 0.9})
    assert json.loads(json.dumps(lineage.to_json())) == {
        "key": "key",
        "origin": "trained",
        "data_sha256": None,
        "code_revision": "unknown",
        "parameters": {"epochs": "1"},
        "metrics": {"accuracy": 0.9},
    }
