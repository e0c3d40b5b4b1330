"""The first calls of a new engine, made before a request would have to wait for them."""

from __future__ import annotations

from seatrial.domain.inference import InferenceEngine, TokenBatch
from seatrial.text.layout import lay_out

__all__ = ["warmed_up"]

_CALLS = ((1, 128), (8, 32))
"""Texts and tokens: a long text, a usual batch."""


def warmed_up(engine: InferenceEngine, max_tokens: int) -> InferenceEngine:
    """The engine, after it has taken the memory it works in and compiled what it compiles.

    Args:
        max_tokens: most tokens of a text.

    Raises:
        InferenceError: it failed.
    """
    for texts, tokens in _CALLS:
        batch = TokenBatch.from_rows([[0] * min(tokens, max_tokens)] * texts)
        engine.infer(lay_out(batch, engine.artifact.layout))
    return engine
