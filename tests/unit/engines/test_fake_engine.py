"""The script of the fake engine."""

from __future__ import annotations

import numpy as np
import pytest

from seatrial.domain.errors import InferenceError
from seatrial.domain.inference import TokenBatch
from seatrial.domain.model import Layout
from seatrial.engines.fake_engine import FakeEngine
from seatrial.text.layout import lay_out

INPUTS = lay_out(TokenBatch.from_rows([[2, 7, 3], [2, 3]]), Layout.PADDED)


def test_scripted_failures_come_at_their_call_and_calls_are_written_down() -> None:
    def script(call: int) -> float:
        if call == 1:
            raise RuntimeError("out of memory")
        return 0.0

    engine = FakeEngine(script=script)
    engine.infer(INPUTS)
    with pytest.raises(InferenceError, match="out of memory"):
        engine.infer(INPUTS)
    engine.infer(INPUTS)
    assert engine.calls == [(2, 3), (2, 3), (2, 3)]


def test_it_answers_alike_in_every_layout() -> None:
    batch = TokenBatch.from_rows([[2, 7, 3], [2, 3], [9]])
    padded, packed = FakeEngine(), FakeEngine(layout=Layout.PACKED)
    answer = packed.infer(lay_out(batch, Layout.PACKED)).logits
    np.testing.assert_array_equal(answer, padded.infer(lay_out(batch, Layout.PADDED)).logits)
    assert padded.calls == packed.calls == [(3, 3)]


def test_as_many_columns_as_labels() -> None:
    assert FakeEngine(labels=5).infer(INPUTS).logits.shape == (2, 5)
