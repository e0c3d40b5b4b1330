"""The queue with its owner and its workers, over the fake engine."""

from __future__ import annotations

import asyncio
import logging
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.domain.errors import DeadlineExceededError, InferenceError, NotReadyError, OverloadedError
from seatrial.domain.inference import TokenBatch
from seatrial.serving.batcher import Batcher
from seatrial.serving.batching import BatchPolicy
from seatrial.serving.payload import BatchFacts, Scored
from tests.batchers import FakeScorer, Gate, ask, expected, results, running, running_by, settled, texts


def test_an_answer_has_the_rows_of_its_texts_in_order_though_batches_split_it() -> None:
    async def scenario() -> None:
        facts: list[BatchFacts] = []
        async with running(max_texts=4, workers=2, facts=facts) as batcher:
            tokens = texts(*range(1, 24))
            scored = await ask(batcher, FakeScorer(), tokens)
            np.testing.assert_allclose(results(scored), expected(tokens), atol=1e-6)
        assert sum(fact.texts for fact in facts) == 23
        assert max(fact.texts for fact in facts) == 4
        assert sum(fact.tokens for fact in facts) == tokens.tokens
        assert all(0 <= fact.padding_ratio < 1 for fact in facts)

    asyncio.run(scenario())


def test_texts_that_wait_while_the_engine_is_busy_share_the_next_batch() -> None:
    async def scenario() -> None:
        gate = Gate()
        scorer = FakeScorer(gate)
        async with running() as batcher:
            first = asyncio.create_task(ask(batcher, scorer, texts(3)))
            await gate.entered.wait()
            others = [asyncio.create_task(ask(batcher, scorer, texts(5, seed=i))) for i in range(5)]
            await settled()
            gate.open()
            answers = await asyncio.gather(first, *others)
        assert [call[0] for call in scorer.engine.calls] == [1, 5]
        for i, answer in enumerate(answers[1:]):
            np.testing.assert_allclose(results(answer), expected(texts(5, seed=i)), atol=1e-6)
        assert all(answer.queue_s > 0 and answer.inference_s > 0 for answer in answers)

    asyncio.run(scenario())


def test_a_lone_text_goes_to_a_free_worker_at_once() -> None:
    async def scenario() -> None:
        async with running(workers=2) as batcher:
            scored = await asyncio.wait_for(ask(batcher, FakeScorer(), texts(4)), timeout=10)
        assert len(results(scored)) == 1

    asyncio.run(scenario())


def test_only_a_text_that_is_alone_is_computed_by_all_cores() -> None:
    async def scenario() -> None:
        gate = Gate()
        scorer = FakeScorer(gate)
        async with running(workers=2) as batcher:
            lone = asyncio.create_task(ask(batcher, scorer, texts(4)))
            await gate.entered.wait()
            await ask(batcher, scorer, texts(4))  # not alone: the other is still being computed
            gate.open()
            await lone
            await ask(batcher, scorer, texts(4))  # alone, but the one before had company
            await ask(batcher, scorer, texts(4))
            await ask(batcher, scorer, texts(4, 4))
        assert [texts for texts, _ in scorer.engine.calls] == [1, 1, 1, 1, 1, 1]
        assert scorer.all_cores == [True, False, False, True, False, False]

    asyncio.run(scenario())


def test_shadow_texts_take_no_place_and_no_turn_of_a_request() -> None:
    async def scenario() -> None:
        gate = Gate()
        scorer = FakeScorer(gate)
        async with running(max_queue_texts=2) as batcher:
            first = asyncio.create_task(ask(batcher, scorer, texts(1)))
            await gate.entered.wait()
            shadow = asyncio.create_task(ask(batcher, scorer, texts(2, 2), priority=1))
            await settled()
            with pytest.raises(OverloadedError):
                batcher.admit(1, priority=1)
            request = asyncio.create_task(ask(batcher, scorer, texts(3, 3)))
            await settled()
            with pytest.raises(OverloadedError):
                batcher.admit(1)
            gate.open()
            await asyncio.gather(first, shadow, request)
            batcher.admit(2)
            batcher.admit(0, priority=1)
        assert scorer.engine.calls == [(1, 1), (2, 3), (2, 2)]

    asyncio.run(scenario())


def test_shadow_texts_leave_a_worker_free() -> None:
    async def scenario() -> None:
        gate = Gate()
        busy, shadowed, scorer = FakeScorer(gate), FakeScorer(), FakeScorer()
        async with running(workers=2) as batcher:
            first = asyncio.create_task(ask(batcher, busy, texts(1)))
            await gate.entered.wait()
            shadow = asyncio.create_task(ask(batcher, shadowed, texts(2), priority=1))
            await settled()
            await ask(batcher, scorer, texts(3))
            assert shadowed.engine.calls == []
            assert not shadow.done()
            gate.open()
            await asyncio.gather(first, shadow)
        assert shadowed.engine.calls == [(1, 2)]

    asyncio.run(scenario())


def test_variants_never_share_a_batch_and_the_oldest_goes_first() -> None:
    async def scenario() -> None:
        gate = Gate()
        a, b = FakeScorer(gate), FakeScorer()
        async with running() as batcher:
            waiting = [asyncio.create_task(ask(batcher, a, texts(3)))]
            await gate.entered.wait()
            waiting += [asyncio.create_task(ask(batcher, scorer, texts(2))) for scorer in (b, a, b, a)]
            await settled()
            gate.open()
            await asyncio.gather(*waiting)
        assert [call[0] for call in a.engine.calls] == [1, 2]
        assert [call[0] for call in b.engine.calls] == [2]

    asyncio.run(scenario())


def test_a_failing_batch_fails_its_own_callers_only(caplog: pytest.LogCaptureFixture) -> None:
    def script(call: int) -> float:
        if call == 0:
            raise RuntimeError("out of memory")
        return 0.0

    async def scenario() -> None:
        scorer = FakeScorer(script)
        async with running(max_texts=2) as batcher:
            answers = await asyncio.gather(
                *(ask(batcher, scorer, texts(3, seed=i)) for i in range(6)), return_exceptions=True
            )
            again = await ask(batcher, scorer, texts(3))
        failed = [answer for answer in answers if isinstance(answer, BaseException)]
        assert len(failed) == 2
        assert all(type(error) is InferenceError and "out of memory" in str(error) for error in failed)
        assert failed[0] is not failed[1], "a shared exception would gather the tracebacks of all who raise it"
        assert len(results(again)) == 1

    with caplog.at_level(logging.CRITICAL):
        asyncio.run(scenario())


def test_a_failure_in_one_batch_of_a_long_request_takes_the_rest_of_it_out_of_the_line() -> None:
    def script(call: int) -> float:
        if call == 0:
            raise RuntimeError("gone")
        return 0.0

    async def scenario() -> None:
        scorer = FakeScorer(script)
        async with running(max_texts=2, max_queue_texts=40) as batcher:
            with pytest.raises(InferenceError):
                await ask(batcher, scorer, texts(*[3] * 40))
            await ask(batcher, scorer, texts(*[3] * 40))  # the whole queue is free again
        assert len(scorer.engine.calls) == 1 + 20

    asyncio.run(scenario())


def test_an_engine_that_loses_a_row_is_an_error_and_no_shifted_answers() -> None:
    class Loser(FakeScorer):
        def score(self, payload: TokenBatch, *, all_cores: bool = False) -> list[list[float]]:
            return super().score(payload)[:-1]

    async def scenario() -> None:
        async with running() as batcher:
            with pytest.raises(InferenceError, match="1 rows for 2 texts"):
                await ask(batcher, Loser(), texts(3, 4))

    asyncio.run(scenario())


def test_a_full_line_turns_away_and_says_when_to_come_back() -> None:
    async def scenario() -> None:
        gate = Gate()
        scorer = FakeScorer(gate)
        async with running(max_queue_texts=5) as batcher:
            first = asyncio.create_task(ask(batcher, scorer, texts(3)))
            await gate.entered.wait()
            waiting = asyncio.create_task(ask(batcher, scorer, texts(3, 3, 3, 3)))
            await settled()
            with pytest.raises(OverloadedError) as overload:
                batcher.admit(2)
            batcher.admit(1)
            batcher.release(1)
            gate.open()
            await asyncio.gather(first, waiting)
            batcher.admit(5)
            batcher.release(5)
        assert overload.value.retry_after_s >= 1

    asyncio.run(scenario())


def test_a_line_that_takes_too_long_turns_away_once_it_is_no_mere_handful() -> None:
    async def scenario() -> None:
        gate = Gate()
        scorer = FakeScorer(gate)
        batcher = Batcher(BatchPolicy(8, 1), 10_000, lambda _facts: None, max_queue_s=1e-9)
        batcher.start()
        batcher.admit(500)  # nothing was measured yet
        batcher.release(500)
        first = asyncio.create_task(ask(batcher, scorer, texts(3)))
        await gate.entered.wait()
        gate.open()
        await first
        batcher.admit(64)
        batcher.admit(1)
        with pytest.raises(OverloadedError, match="65 texts wait already"):
            batcher.admit(1)
        batcher.release(65)
        batcher.admit(300)  # one request as large as it likes, where nobody waits
        batcher.release(300)
        await batcher.stop()

    asyncio.run(scenario())


def test_who_waits_past_the_deadline_is_told_and_never_reaches_the_engine() -> None:
    async def scenario() -> None:
        gate = Gate()
        scorer = FakeScorer(gate)
        async with running() as batcher:
            first = asyncio.create_task(ask(batcher, scorer, texts(3)))
            await gate.entered.wait()
            with pytest.raises(DeadlineExceededError):
                await ask(batcher, scorer, texts(3, 3), within_s=0.01)
            gate.open()
            await first
            await ask(batcher, scorer, texts(9))
        assert scorer.engine.calls == [(1, 3), (1, 9)]

    asyncio.run(scenario())


def test_a_deadline_that_passed_before_the_text_came_is_kept() -> None:
    async def scenario() -> None:
        scorer = FakeScorer()
        async with running() as batcher:
            with pytest.raises(DeadlineExceededError):
                await ask(batcher, scorer, texts(3), within_s=-1.0)
        assert scorer.engine.calls == []

    asyncio.run(scenario())


def test_a_cancelled_caller_leaves_the_line_and_harms_nobody() -> None:
    async def scenario() -> None:
        gate = Gate()
        scorer = FakeScorer(gate)
        async with running(max_queue_texts=4) as batcher:
            first = asyncio.create_task(ask(batcher, scorer, texts(3)))
            await gate.entered.wait()
            others = [asyncio.create_task(ask(batcher, scorer, texts(4, seed=i))) for i in range(4)]
            await settled()
            others[1].cancel()
            first.cancel()  # its text is in the engine already
            await settled()
            late = asyncio.create_task(ask(batcher, scorer, texts(7)))
            await settled()
            gate.open()
            answers = await asyncio.gather(first, *others, late, return_exceptions=True)
        assert [isinstance(answer, asyncio.CancelledError) for answer in answers] == [True, False, True, *[False] * 3]
        assert scorer.engine.calls == [(1, 3), (4, 7)]

    asyncio.run(scenario())


def test_stopping_serves_who_waits_and_takes_nobody_in() -> None:
    async def scenario() -> None:
        gate = Gate()
        scorer = FakeScorer(gate)
        async with running() as batcher:
            first = asyncio.create_task(ask(batcher, scorer, texts(3)))
            await gate.entered.wait()
            waiting = asyncio.create_task(ask(batcher, scorer, texts(3)))
            admitted = texts(2)
            batcher.admit(len(admitted))
            await settled()
            stopping = asyncio.create_task(batcher.stop(within_s=30))
            await settled()
            with pytest.raises(NotReadyError):
                batcher.admit(1)
            with pytest.raises(NotReadyError):  # was being tokenised when the batcher stopped
                await batcher.score(scorer, admitted, time.monotonic() + 30)
            gate.open()
            await stopping
            assert len(results(await first)) == len(results(await waiting)) == 1
            await batcher.stop()
        assert scorer.engine.calls == [(1, 3), (1, 3)]

    asyncio.run(scenario())


def test_an_engine_that_hangs_keeps_neither_the_batcher_nor_its_callers(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        gate = Gate()
        async with running() as batcher:
            hung = asyncio.create_task(ask(batcher, FakeScorer(gate), texts(3)))
            await gate.entered.wait()
            await batcher.stop(within_s=0.01)
            with pytest.raises(NotReadyError):
                await hung
            gate.open()

    caplog.set_level(logging.CRITICAL)
    asyncio.run(scenario())


def test_a_fault_of_the_owner_itself_leaves_nobody_waiting(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        scorer = FakeScorer()
        async with running() as batcher:
            with monkeypatch.context() as broken:
                broken.setattr("seatrial.serving.batcher.next_batch", lambda *_: 1 / 0)
                with pytest.raises(InferenceError, match="could not form a batch"):
                    await asyncio.wait_for(ask(batcher, scorer, texts(3)), 10)
            assert len(results(await ask(batcher, scorer, texts(3)))) == 1

    with caplog.at_level(logging.CRITICAL):
        asyncio.run(scenario())


requests = st.lists(
    st.tuples(st.integers(1, 12), st.sampled_from(["stays", "stays", "leaves at once", "leaves later", "too late"])),
    min_size=1,
    max_size=15,
)


policies = st.builds(BatchPolicy, max_texts=st.integers(1, 8), workers=st.integers(1, 3), max_tokens=st.integers(1, 60))


@settings(max_examples=60, deadline=None)
@given(requests, policies, st.sets(st.integers(0, 10), max_size=2))
def test_whatever_happens_each_caller_gets_its_own_answer_or_an_error(
    arrivals: list[tuple[int, str]], policy: BatchPolicy, failing: set[int]
) -> None:
    def script(call: int) -> float:
        if call in failing:
            raise RuntimeError("scripted")
        return 0.0

    async def scenario() -> None:
        scorer = FakeScorer(script)
        batches = [texts(*range(1, count + 1), seed=i) for i, (count, _) in enumerate(arrivals)]
        async with running_by(policy) as batcher:
            tasks = [
                asyncio.create_task(ask(batcher, scorer, tokens, -1.0 if what == "too late" else 30.0, priority=i % 2))
                for i, (tokens, (_, what)) in enumerate(zip(batches, arrivals, strict=True))
            ]
            for task, (_, what) in zip(tasks, arrivals, strict=True):
                if what == "leaves at once":
                    task.cancel()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            for task, (_, what) in zip(tasks, arrivals, strict=True):
                if what == "leaves later":
                    task.cancel()
            answers = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), timeout=60)
            batcher.admit(10_000)  # not one promised place was lost
            batcher.release(10_000)
            batcher.admit(10_000, priority=1)
            batcher.release(10_000, priority=1)
        for (count, longest), all_cores in zip(scorer.engine.calls, scorer.all_cores, strict=True):
            assert count <= policy.max_texts
            assert longest <= policy.max_tokens or count == 1
            assert not all_cores or count == 1
        for tokens, answer, (_, what) in zip(batches, answers, arrivals, strict=True):
            if isinstance(answer, Scored):
                np.testing.assert_allclose(results(answer), expected(tokens), atol=1e-6)
                assert what != "too late"
            elif isinstance(answer, asyncio.CancelledError):
                assert what.startswith("leaves")
            elif what == "too late":
                assert isinstance(answer, DeadlineExceededError)
            else:
                assert isinstance(answer, InferenceError)
                assert failing

    logging.disable(logging.CRITICAL)
    try:
        asyncio.run(scenario())
    finally:
        logging.disable(logging.NOTSET)
