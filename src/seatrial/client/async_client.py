"""The client for programs on an event loop: the same calls as `Client`, awaited."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping, Sequence
from contextlib import aclosing
from types import TracebackType
from typing import Self, Unpack

import httpx

from seatrial.client.connection import (
    DEFAULT_URL,
    Address,
    Verify,
    failure_from,
    outcome_of,
    request_arguments,
    too_slow,
)
from seatrial.client.exchange import Failure, Patience, Pause, Reply, Request, exchange
from seatrial.client.messages import (
    HEALTH,
    READY,
    Asked,
    Health,
    Prediction,
    Predictions,
    health_in,
    label_feedback,
    metric_feedback,
    predict_request,
    predictions_in,
)
from seatrial.client.streaming import abatches, check_sizes, in_order, is_about_texts, total_of
from seatrial.domain.errors import OverloadedError, RequestError
from seatrial.domain.progress import SILENT, Progress

__all__ = ["AsyncClient"]


class AsyncClient:
    """Asks a data plane, on one asyncio event loop; use it as a context manager, or await `aclose` when done.

    Every call raises the error that the data plane met (`RequestError`: `InvalidRequestError`, `OverloadedError`, …),
    or one of its own: `UnreachableError`, `AnswerLostError`, `UnreadableAnswerError`, `DeadlineExceededError`.

    Example::

        async with seatrial.AsyncClient("http://127.0.0.1:8080") as client:
            for prediction in await client.predict(["A lovely little film.", "Broke after two days."]):
                print(prediction.label, prediction.confidence)

    Args:
        url: ``http://HOST:PORT``, ``https://HOST:PORT``, or ``unix:/PATH`` of a socket.
        api_key: sent as ``Authorization: Bearer``.
        patience: how long to wait, and how often to try.
        verify: whose certificates are trusted: a file or directory of authorities, a context; the system's by default.
        transport: what carries requests instead of sockets: the one place to put something else.

    Raises:
        UsageError: the address or the key cannot be used.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        api_key: str | None = None,
        patience: Patience | None = None,
        verify: Verify = True,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        address = Address(url, api_key, verify)
        if address.socket_path and transport is None:
            transport = httpx.AsyncHTTPTransport(uds=address.socket_path)
        self._url = url
        self._patience = patience or Patience()
        self._http = httpx.AsyncClient(transport=transport, **address.client_arguments())

    async def predict(
        self,
        texts: Sequence[str] | str,
        *,
        max_length: int | None = None,
        unit: str | None = None,
        model: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Predictions:
        """Labels and probabilities of one text or several, in one request.

        Args:
            max_length: tokens each text is cut to; what the server is set to by default.
            unit: user or session: all its requests get the same version.
            model: which model is asked; by default the server's, or its only one.
            headers: sent as they are: `X-Request-Id`, `traceparent`.

        Raises:
            RequestError: the server refused, or failed.
            UnreachableError, AnswerLostError, UnreadableAnswerError: there is no answer to read.
        """
        texts = [texts] if isinstance(texts, str) else list(texts)
        asked = Asked(max_length=max_length, unit=unit, model=model, headers=headers)
        return predictions_in(await self._send(predict_request(texts, asked)), len(texts))

    async def predict_each(self, texts: Sequence[str], **asked: Unpack[Asked]) -> list[Prediction | RequestError]:
        """One result for each text, in order: where the server refuses a text, the error stands in its place.

        What is refused as too large, or for a text in it, is asked again in halves.

        Raises:
            RequestError: nothing about these texts made the server refuse, or fail.
        """
        if not texts:
            return []
        try:
            return list(await self.predict(texts, **asked))
        except RequestError as error:
            if not is_about_texts(error):
                raise
            if len(texts) == 1:
                return [error]
        half = len(texts) // 2
        return await self.predict_each(texts[:half], **asked) + await self.predict_each(texts[half:], **asked)

    async def predict_many(
        self,
        texts: Iterable[str] | AsyncIterable[str],
        *,
        batch_texts: int = 32,
        concurrency: int = 4,
        progress: Progress = SILENT,
        **asked: Unpack[Asked],
    ) -> AsyncIterator[Prediction]:
        """A prediction for each text, in order, however many there are: memory holds a few batches at a time.

        Args:
            batch_texts: texts in one request.
            concurrency: requests under way at once.
            progress: told how far it is.
            asked: as `predict`'s.

        Raises:
            RequestError: the first text that is refused, with its place in a note; or the server fails.
        """
        check_sizes(batch_texts, concurrency)
        answers = in_order(abatches(texts, batch_texts), lambda batch: self.predict_each(batch, **asked), concurrency)
        done = 0
        with progress.step("predict", total_of(texts)) as step:
            async with aclosing(answers):
                async for results in answers:
                    for place, result in enumerate(results, start=done):
                        if isinstance(result, RequestError):
                            result.add_note(f"It is about text {place} of the stream, counted from 0.")
                            raise result
                        yield result
                    done += len(results)
                    step.advance(len(results))

    async def health(self) -> Health:
        """What the server says about itself: an answer means that it lives."""
        return health_in(await self._send(HEALTH))

    async def ready(self) -> bool:
        """Whether the server has loaded everything and is not ending; asked once, never repeated.

        Raises:
            UnreachableError: nothing answers.
        """
        outcome = await self._attempt(READY, self._patience.total_s)
        if isinstance(outcome, Failure) and not isinstance(outcome.error, OverloadedError):
            raise outcome.error
        return isinstance(outcome, Reply)

    async def feedback(self, request_id: str, index: int, label: str) -> None:
        """Tells the true label of one text of an earlier request; returns when it is recorded durably.

        Args:
            request_id: of its `Predictions`.
            index: of the text in the request, counted from 0.
        """
        await self._send(label_feedback(request_id, index, label))

    async def feedback_metric(
        self, metric: str, value: float, *, unit: str | None = None, request_id: str | None = None
    ) -> None:
        """Tells what came of answers, such as a sale, of a unit or of one request.

        Raises:
            AnswerLostError: the connection ended before the acknowledgement; telling again may count twice.
        """
        await self._send(metric_feedback(metric, value, unit=unit, request_id=request_id))

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _send(self, request: Request) -> Reply:
        """Drives the exchange: the same course as in `Client`."""
        course = exchange(request, self._patience, time.monotonic, random.random)
        wanted = next(course)
        while True:
            outcome: Reply | Failure | None = None
            if isinstance(wanted, Pause):
                await asyncio.sleep(wanted.seconds)
            else:
                outcome = await self._attempt(request, wanted.within_s)
            try:
                wanted = course.send(outcome)
            except StopIteration as end:
                reply: Reply = end.value
                return reply

    async def _attempt(self, request: Request, within_s: float) -> Reply | Failure:
        try:
            async with asyncio.timeout(within_s):
                answer = await self._http.request(**request_arguments(request, self._patience, within_s))
        except TimeoutError:
            return too_slow(self._url)
        except httpx.HTTPError as error:
            return failure_from(error, self._url)
        return outcome_of(answer.status_code, answer.headers, answer.content)
