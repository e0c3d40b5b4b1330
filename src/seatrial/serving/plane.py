"""The data plane without its protocols: variants, the queue, and who is told what happened."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import logging
import random
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from seatrial.bundle import Bundle
from seatrial.config import ServingSettings
from seatrial.domain.errors import InvalidRequestError, NotReadyError, UsageError
from seatrial.domain.inference import InferenceEngine, PredictionRecord, RecordSink, TokenBatch
from seatrial.serving.batcher import Batcher
from seatrial.serving.batching import BatchPolicy
from seatrial.serving.cores import usable_cores
from seatrial.serving.handlers import OwnCode
from seatrial.serving.metrics import MetricsSink
from seatrial.serving.mirror import Mirror
from seatrial.serving.payload import Payload
from seatrial.serving.questions import Answer, Question, check_inputs
from seatrial.serving.splitting import Routed, pick_variant
from seatrial.serving.tallies import Tallies
from seatrial.serving.traffic import Traffic
from seatrial.serving.variants import Variant, load_variant
from seatrial.serving.versions import Versions

__all__ = ["Answer", "DataPlane", "Question"]

logger = logging.getLogger(__name__)


class _State(enum.Enum):
    STARTING = "It is still loading its models: retry in a few seconds."
    READY = ""
    DRAINING = "It is shutting down: send the request to another one."


class DataPlane:
    """Several loaded variants behind one queue.

    Args:
        settings: section ``[serving]``.
        load_engine: makes the engine of a bundle that computes a call with one thread.
        sinks: told the facts of each request, besides `metrics`.
        find_bundle: the bundle of ``MODEL@V``, for versions that are loaded later.
        load_wide_engine: makes an engine that computes a call with all cores, None where that gains nothing.
    """

    def __init__(
        self,
        settings: ServingSettings,
        load_engine: Callable[[Bundle], InferenceEngine],
        sinks: Sequence[RecordSink] = (),
        find_bundle: Callable[[str], Bundle] | None = None,
        load_wide_engine: Callable[[Bundle], InferenceEngine | None] = lambda _bundle: None,
    ) -> None:
        self.settings = settings
        self.metrics = MetricsSink()
        self.tallies = Tallies()
        self._sinks: tuple[RecordSink, ...] = (self.metrics, self.tallies, *sinks)
        self._state = _State.STARTING
        self._own_code: list[OwnCode] = []
        self._versions = Versions(
            lambda source: (
                source.load() if isinstance(source, OwnCode) else load_variant(source, load_engine, load_wide_engine)
            ),
            find_bundle or _no_bundle,
            lambda variant: self.metrics.expect(variant.model, variant.version, variant.labels),
        )
        self.orders = Traffic(self._versions, self.tallies)
        self.metrics.follow_releases(self.tallies.samples, self.orders.step_ratios, self.orders.treated_ratios)
        self._mirror = Mirror(self.orders, self.tallies, self._ask, self.metrics.mirrored)
        self._background: list[asyncio.Task[None]] = []
        policy = BatchPolicy(settings.max_batch_texts, settings.sessions or usable_cores(), settings.max_batch_tokens)
        self._batcher = Batcher(policy, settings.max_queue_texts, self.metrics.observe_batch, settings.max_queue_s)
        self._tokenisers = ThreadPoolExecutor(1, thread_name_prefix="tokenise")

    @property
    def variants(self) -> tuple[Variant, ...]:
        """What is loaded, in the order it was asked for."""
        return self._versions.served.variants

    @property
    def traffic(self) -> Mapping[str, str]:
        """Which version of each model answers requests that name none."""
        return self._versions.served.traffic

    @property
    def max_texts(self) -> int:
        """Most texts in one request: a request with more than the queue holds could never be served."""
        return min(self.settings.max_texts, self.settings.max_queue_texts)

    def serve_also(self, own_code: OwnCode) -> None:
        """Adds people's own code to what `load` loads."""
        self._own_code.append(own_code)

    def keep_traffic(self, directory: Path) -> None:
        """Remembers splits and counters of releases in that directory, and lets `load` go on with the last ones."""
        self.tallies.keep_in(directory / "tallies")
        self.orders.keep_in(directory)

    def load(self, bundles: Sequence[Bundle]) -> None:
        """Loads all bundles, goes on with the last split and becomes ready; blocks, and may run in any thread.

        See `Versions.load_all`.
        """
        self._versions.load_all([*bundles, *self._own_code])
        self.orders.restore()
        if self._state is _State.STARTING:
            self._state = _State.READY

    async def load_version(self, ref: str) -> Variant:
        """Loads one more version while requests go on; see `Versions.load`.

        Raises:
            NotReadyError: the process is still loading its first versions, or shutting down.
        """
        self.require_ready()
        return await self._versions.load(ref)

    async def switch(self, model: str, version: str) -> None:
        """Gives a model's traffic to another loaded version; see `Traffic.switch`."""
        if not self.orders.restored:
            self.require_ready()
        await self.orders.switch(model, version)

    async def unload(self, ref: str) -> None:
        """Unloads a version that has no traffic, once its running requests have ended; see `Versions.unload`."""
        await self._versions.unload(ref)

    def start(self) -> None:
        """Begins to answer; needs a running event loop."""
        self._batcher.start()
        loop = asyncio.get_running_loop()
        self._background = [
            loop.create_task(self._mirror.run(), name="mirror"),
            loop.create_task(self.tallies.save_regularly(), name="tallies"),
        ]

    def begin_drain(self) -> None:
        """Says no to readiness probes from now on; requests that still come are answered."""
        self._state = _State.DRAINING

    async def stop(self) -> None:
        """Serves who waits, ends the workers and closes the engines. Stopping twice is allowed."""
        self.begin_drain()
        background, self._background = self._background, []
        for task in background:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await self._batcher.stop()
        await self.tallies.save()
        self._tokenisers.shutdown(wait=False)
        for variant in self.variants:
            variant.close()

    def require_ready(self) -> None:
        """Raises NotReadyError, with the reason, unless everything is loaded and nothing drains."""
        if self._state is not _State.READY:
            raise NotReadyError(f"The server takes no requests. {self._state.value}")

    def pick(self, model: str | None, version: str | None = None, unit: str | None = None) -> Variant:
        """The variant that answers a request; see `route`."""
        return self.route(model, version, unit).variant

    def route(self, model: str | None, version: str | None = None, unit: str | None = None) -> Routed[Variant]:
        """The variant that answers a request, and where that counts.

        Ask when the request is whole: a version may be unloaded meanwhile, and the split may change.

        Args:
            model: the model that the request names, None where it names none.
            version: the version that it names; None: the one that the traffic of its model gives.
            unit: the user or session it belongs to; None: it belongs to itself, and falls anywhere.

        Raises:
            NotReadyError: nothing is loaded yet, or not everything that the last split needs.
            ModelNotServedError, InvalidRequestError: see `pick_variant`.
        """
        served = self._versions.served
        if not served.variants or not self.orders.restored:
            self.require_ready()
        place = str(random.getrandbits(64)) if unit is None else unit
        return pick_variant(served, model, version, self.settings.default_model, place)

    async def predict(self, variant: Variant, question: Question) -> Answer:
        """Logits, labels and probabilities of all texts.

        Raises:
            InvalidRequestError: no texts, an empty one, token ids the model does not know, or a length that leaves no
                room for text.
            PayloadTooLargeError: too many texts, or one that is too long.
            ModelNotServedError: the variant was unloaded since it was picked.
            OverloadedError: too many texts wait already.
            DeadlineExceededError: no engine was free in time.
            InferenceError: the engine failed.
        """
        asked = self.settings.max_length if question.max_length is None else question.max_length
        limit = variant.tokenizer.effective_length(asked)
        if self.settings.over_length == "refuse" and limit < (question.max_length or 0):
            raise InvalidRequestError(f"max_length is {question.max_length}: {variant.ref} reads {limit} at most.")
        check_inputs(question.inputs, variant, self.max_texts, self.settings.max_text_chars)
        end = self._versions.begin(variant)
        try:
            tokens = await self._admit(variant, question, limit)
            scored = await self._batcher.score(variant, tokens, question.deadline_s, question.priority)
        finally:
            end()
        logits = np.asarray(scored.parts[0] if len(scored.parts) == 1 else np.concatenate(scored.parts), np.float32)
        return Answer(
            logits=logits,
            scores=variant.scores(logits),
            tokens=tokens.tokens,
            clipped_to=limit if limit < (question.max_length or 0) else None,
            queue_s=scored.queue_s,
            inference_s=scored.inference_s,
        )

    def record(self, record: PredictionRecord, question: Question | None = None) -> None:
        """Tells every sink the facts of one request, and mirrors it where a release asks for that.

        Args:
            question: what was asked, where it came to that.
        """
        for sink in self._sinks:
            try:
                sink.record(record)
            except Exception:  # the client has its answer; one broken sink must not silence the others
                logger.exception("record sink failed", extra={"sink": type(sink).__name__})
        self._mirror.offer(record, question)

    async def _ask(self, model: str, version: str, question: Question) -> Answer:
        return await self.predict(self._versions.served.find(model, version), question)

    async def _admit(self, variant: Variant, question: Question, limit: int) -> Payload:
        """The question as tokens, with a place in the queue promised to them."""
        inputs = question.inputs
        self._batcher.admit(len(inputs), question.priority)
        if isinstance(inputs, TokenBatch):
            return inputs
        try:
            if sum(map(len, inputs)) <= variant.tokenizer.inline_chars:
                return variant.tokenizer.encode(inputs, limit)
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._tokenisers, variant.tokenizer.encode, inputs, limit)
        except BaseException:
            self._batcher.release(len(inputs), question.priority)
            raise


def _no_bundle(ref: str) -> Bundle:
    raise UsageError(f"This process serves only what it was started with: start it anew with {ref}.")
