"""The data plane without its protocols: variants, the queue, and who is told what happened."""

from __future__ import annotations

import asyncio
import enum
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from seatrial.bundle import Bundle
from seatrial.config import ServingSettings
from seatrial.domain.errors import InvalidRequestError, NotReadyError, PayloadTooLargeError, UsageError
from seatrial.domain.inference import InferenceEngine, PredictionRecord, RecordSink, TokenBatch
from seatrial.serving.batcher import Batcher
from seatrial.serving.batching import BatchPolicy
from seatrial.serving.cores import usable_cores
from seatrial.serving.metrics import MetricsSink
from seatrial.serving.variants import TextScore, Variant, load_variant, pick_variant

__all__ = ["Answer", "DataPlane", "Question"]

logger = logging.getLogger(__name__)

_INLINE_CHARS = 2000
"""Up to here (about a millisecond) texts are tokenised on the event loop: a thread would cost more than it saves."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a client asks, in whatever protocol.

    Attributes:
        max_length: tokens each text is cut to; None: the setting.
        deadline_s: moment on the clock of `time.monotonic` from which on no engine may take a text.
    """

    texts: Sequence[str]
    deadline_s: float
    max_length: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What a variant says, and what that took.

    Attributes:
        scores: of each text.
        tokens: tokens of all texts, special tokens included.
        clipped_to: the limit that applied where the client asked for a longer one, else None.
        queue_s: longest wait of the texts for an engine.
        inference_s: time the texts spent inside engines.
    """

    scores: Sequence[TextScore]
    tokens: int
    clipped_to: int | None
    queue_s: float
    inference_s: float


class _State(enum.Enum):
    STARTING = "It is still loading its models: retry in a few seconds."
    READY = ""
    DRAINING = "It is shutting down: send the request to another one."


class DataPlane:
    """Several loaded variants behind one queue.

    Args:
        settings: section ``[serving]``.
        load_engine: makes the engine of a bundle.
        sinks: told the facts of each request, besides `metrics`.
    """

    def __init__(
        self,
        settings: ServingSettings,
        load_engine: Callable[[Bundle], InferenceEngine],
        sinks: Sequence[RecordSink] = (),
    ) -> None:
        workers = settings.sessions or usable_cores()
        self.settings = settings
        self.metrics = MetricsSink()
        self._load_engine = load_engine
        self._sinks: tuple[RecordSink, ...] = (self.metrics, *sinks)
        self._variants: tuple[Variant, ...] = ()
        self._state = _State.STARTING
        self._batcher = Batcher(
            BatchPolicy(settings.max_batch_texts, workers), settings.max_queue_texts, self.metrics.observe_batch
        )
        self._tokenisers = ThreadPoolExecutor(1, thread_name_prefix="tokenise")

    @property
    def variants(self) -> tuple[Variant, ...]:
        """What is loaded, in the order it was asked for."""
        return self._variants

    @property
    def max_texts(self) -> int:
        """Most texts in one request: a request with more than the queue holds could never be served."""
        return min(self.settings.max_texts, self.settings.max_queue_texts)

    def load(self, bundles: Sequence[Bundle]) -> None:
        """Loads all bundles and becomes ready; blocks, and may run in any thread.

        Raises:
            RefusedArtifactError: a bundle's findings forbid serving it.
            BundleError, UnsupportedModelError: a bundle cannot be served.
            UsageError: there are no bundles, or two of one version.
        """
        if not bundles:
            raise UsageError("There is nothing to serve: name a version or a bundle.")
        for bundle in bundles:
            started_s = time.monotonic()
            variant = load_variant(bundle, self._load_engine)
            if variant.ref in {other.ref for other in self._variants}:
                raise UsageError(f"{variant.ref} was named twice: serve one artifact of a version.")
            self.metrics.expect(variant.model, variant.version, variant.labels)
            self._variants += (variant,)
            logger.info("variant loaded", extra={"variant": variant.ref, "seconds": time.monotonic() - started_s})
        if self._state is _State.STARTING:
            self._state = _State.READY

    def start(self) -> None:
        """Begins to answer; needs a running event loop."""
        self._batcher.start()

    def begin_drain(self) -> None:
        """Says no to readiness probes from now on; requests that still come are answered."""
        self._state = _State.DRAINING

    async def stop(self) -> None:
        """Turns away who waits, ends the workers and closes the engines. Stopping twice is allowed."""
        self.begin_drain()
        await self._batcher.stop()
        self._tokenisers.shutdown(wait=False)
        for variant in self._variants:
            variant.engine.close()

    def require_ready(self) -> None:
        """Raises NotReadyError, with the reason, unless everything is loaded and nothing drains."""
        if self._state is not _State.READY:
            raise NotReadyError(f"The server takes no requests. {self._state.value}")

    def pick(self, model: str | None) -> Variant:
        """The variant that answers a request.

        Args:
            model: the model that the request names, None where it names none.

        Raises:
            NotReadyError: nothing is loaded yet.
            ModelNotServedError, InvalidRequestError: see `pick_variant`.
        """
        if not self._variants:
            self.require_ready()
        return pick_variant(self._variants, model, self.settings.default_model)

    async def predict(self, variant: Variant, question: Question) -> Answer:
        """Labels and probabilities of all texts.

        Raises:
            InvalidRequestError: no texts, an empty one, or a length that leaves no room for text.
            PayloadTooLargeError: too many texts, or one that is too long.
            OverloadedError: too many texts wait already.
            DeadlineExceededError: no engine was free in time.
            InferenceError: the engine failed.
        """
        limit = variant.tokenizer.effective_length(
            self.settings.max_length if question.max_length is None else question.max_length
        )
        if self.settings.over_length == "refuse" and limit < (question.max_length or 0):
            raise InvalidRequestError(f"max_length is {question.max_length}: {variant.ref} reads {limit} at most.")
        texts = question.texts
        self._check_texts(texts)
        self._batcher.admit(len(texts))
        try:
            tokens = await self._tokenise(variant, texts, limit)
        except BaseException:
            self._batcher.release(len(texts))
            raise
        scored = await self._batcher.score(variant, tokens, question.deadline_s)
        return Answer(
            scores=scored.results,
            tokens=tokens.tokens,
            clipped_to=limit if limit < (question.max_length or 0) else None,
            queue_s=scored.queue_s,
            inference_s=scored.inference_s,
        )

    def record(self, record: PredictionRecord) -> None:
        """Tells every sink the facts of one request."""
        for sink in self._sinks:
            try:
                sink.record(record)
            except Exception:  # the client has its answer; one broken sink must not silence the others
                logger.exception("record sink failed", extra={"sink": type(sink).__name__})

    def _check_texts(self, texts: Sequence[str]) -> None:
        if not texts:
            raise InvalidRequestError("texts is empty: send at least one text.")
        if len(texts) > self.max_texts:
            raise PayloadTooLargeError(f"{len(texts)} texts are too many: send at most {self.max_texts} at once.")
        for index, text in enumerate(texts):
            if not text or text.isspace():
                raise InvalidRequestError(f"texts[{index}] is empty: send only texts that say something.")
            if len(text) > self.settings.max_text_chars:
                raise PayloadTooLargeError(
                    f"texts[{index}] has {len(text)} characters: send at most {self.settings.max_text_chars}."
                )

    async def _tokenise(self, variant: Variant, texts: Sequence[str], limit: int) -> TokenBatch:
        if sum(map(len, texts)) <= _INLINE_CHARS:
            return variant.tokenizer.encode(texts, limit)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._tokenisers, variant.tokenizer.encode, texts, limit)
