"""What is asked of the data plane and what it answers, in whatever protocol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from seatrial.domain.errors import InvalidRequestError, PayloadTooLargeError
from seatrial.domain.inference import FloatArray, TokenBatch
from seatrial.serving.variants import TextScore, Variant

__all__ = ["Answer", "Question", "check_inputs"]


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """What a client asks, in whatever protocol.

    Attributes:
        inputs: texts, or token ids that the client made itself, special tokens included.
        deadline_s: moment on the clock of `time.monotonic` from which on no engine may take a text.
        max_length: tokens each text is cut to; None: the setting. Token ids are never cut.
        priority: 0 for requests; a larger one waits until nobody with a smaller one does.
    """

    inputs: Sequence[str] | TokenBatch
    deadline_s: float
    max_length: int | None = None
    priority: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What a variant says, and what that took.

    Attributes:
        logits: (texts, labels) float32.
        scores: of each text.
        tokens: tokens of all texts, special tokens included.
        clipped_to: the limit that applied where the client asked for a longer one, else None.
        queue_s: longest wait of the texts for an engine.
        inference_s: time the texts spent inside engines.
    """

    logits: FloatArray
    scores: Sequence[TextScore]
    tokens: int
    clipped_to: int | None
    queue_s: float
    inference_s: float


def check_inputs(inputs: Sequence[str] | TokenBatch, variant: Variant, max_texts: int, max_text_chars: int) -> None:
    """Refuses what no engine should see.

    Raises:
        InvalidRequestError: no texts, an empty one, or token ids the model does not know.
        PayloadTooLargeError: too many texts, or one that is too long.
    """
    if not len(inputs):
        raise InvalidRequestError("texts is empty: send at least one text.")
    if len(inputs) > max_texts:
        raise PayloadTooLargeError(f"{len(inputs)} texts are too many: send at most {max_texts} at once.")
    if isinstance(inputs, TokenBatch):
        _check_tokens(inputs, variant)
        return
    for index, text in enumerate(inputs):
        if not text or text.isspace():
            raise InvalidRequestError(f"texts[{index}] is empty: send only texts that say something.")
        if len(text) > max_text_chars:
            raise PayloadTooLargeError(f"texts[{index}] has {len(text)} characters: send at most {max_text_chars}.")


def _check_tokens(tokens: TokenBatch, variant: Variant) -> None:
    lengths = tokens.lengths
    if not lengths.all():
        raise InvalidRequestError(f"Row {int(lengths.argmin())} of input_ids has no tokens: send at least one in each.")
    if lengths.max() > variant.tokenizer.max_tokens:
        raise PayloadTooLargeError(
            f"Row {int(lengths.argmax())} of input_ids has {lengths.max()} tokens: {variant.ref} reads "
            f"{variant.tokenizer.max_tokens}."
        )
    known = variant.tokenizer.token_ids
    if tokens.ids.min() < 0 or tokens.ids.max() >= known:
        raise InvalidRequestError(f"input_ids holds ids that {variant.ref} does not know: it knows 0 to {known - 1}.")
