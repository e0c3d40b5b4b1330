from __future__ import annotations

import pytest

from benchmarks.in_process import engine_texts_per_s, flops_a_text
from benchmarks.material import encoded
from seatrial.bundle import Bundle
from tests.builders import onnx_bundle, random_texts

MINILM = {"hidden_size": 384, "intermediate_size": 1536, "num_hidden_layers": 6}


def test_operations_of_a_known_model() -> None:
    """Five whole layers of 12 h^2 multiply-adds a token, attention, and a last layer for the first token."""
    whole = 5 * (25 * 24 * 384**2 + 4 * 384 * 25**2)
    last = 25 * 4 * 384**2 + 20 * 384**2 + 4 * 384 * 25
    assert flops_a_text(MINILM, [25]) == whole + last
    assert flops_a_text(MINILM, [25, 25]) == flops_a_text(MINILM, [25])


def test_the_engine_is_measured_by_what_it_finished(tmp_path_factory: pytest.TempPathFactory) -> None:
    bundle: Bundle = onnx_bundle(tmp_path_factory.mktemp("made") / "bundle")
    assert engine_texts_per_s(bundle, encoded(bundle, tuple(random_texts(20)[0])), 0.05) > 0
