"""What a new engine does before it takes requests."""

from __future__ import annotations

import pytest

from seatrial.domain.errors import InferenceError
from seatrial.engines.fake_engine import FakeEngine
from seatrial.engines.warm_up import warmed_up


@pytest.mark.parametrize(("max_tokens", "longest"), [(512, 128), (64, 64)])
def test_a_long_text_and_a_usual_batch_have_gone_through(max_tokens: int, longest: int) -> None:
    engine = FakeEngine()
    assert warmed_up(engine, max_tokens) is engine
    assert engine.calls == [(1, longest), (8, 32)]


def test_an_engine_that_cannot_compute_is_not_served() -> None:
    with pytest.raises(InferenceError):
        warmed_up(FakeEngine(script=lambda _call: float("nan")), 64)
