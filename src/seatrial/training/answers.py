"""The first questions to a model made elsewhere: a model that cannot answer them is refused before it costs more."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from seatrial.domain.errors import UnsupportedModelError
from seatrial.domain.inference import FloatArray, IntArray, TokenBatch
from seatrial.domain.model import Layout
from seatrial.text.layout import lay_out
from seatrial.text.tokenizer import Tokenizer

__all__ = ["Run", "require_answers"]

Run = Callable[[Mapping[str, IntArray]], FloatArray]
"""Input tensors of a padded batch to (texts, classes) logits."""

_LONGEST_TOKENS = 1024
"""A longer input is not tried: attention over it could take more memory than the machine has."""


def require_answers(run: Run, tokenizer: Tokenizer, pad_id: int, classes: int) -> None:
    """Asks two short texts together, then one as long as the model takes.

    Raises:
        UnsupportedModelError: the model fails, or its answer is not (texts, classes) finite numbers.
    """
    limit = min(tokenizer.max_tokens, _LONGEST_TOKENS)
    for texts in (["Good.", "Not good at all."], ["good " * limit]):
        tokens = tokenizer.encode(texts, limit)
        _require_answer(run, tokens, pad_id, classes)


def _require_answer(run: Run, tokens: TokenBatch, pad_id: int, classes: int) -> None:
    asked = f"{len(tokens)} texts of up to {tokens.lengths.max()} tokens"
    try:
        logits = run(lay_out(tokens, Layout.PADDED, pad_id))
    except Exception as error:  # each runtime fails in errors of its own
        raise UnsupportedModelError(
            f"The model fails on {asked}: {error}. Export it with a dynamic batch and length, with the tokenizer that "
            "belongs to it, and say with max_tokens how long its input may be."
        ) from error
    if logits.shape != (len(tokens), classes):
        raise UnsupportedModelError(
            f"The model answers {asked} with an array of shape {logits.shape}, not {(len(tokens), classes)}: bring a "
            "text classifier with one row of logits a text."
        )
    if not np.isfinite(logits).all():
        raise UnsupportedModelError(f"The model answers {asked} with numbers that are not finite: its weights are bad.")
