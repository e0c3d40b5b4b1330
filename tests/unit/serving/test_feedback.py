"""Feedback against what is remembered: checked, written once, counted once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import pytest

from seatrial.domain.errors import InvalidRequestError, JournalUnavailableError
from seatrial.domain.inference import MetricValue, Outcome, PredictionRecord, TrueLabel
from seatrial.serving import feedback as feedback_module
from seatrial.serving.feedback import FeedbackDesk, RecentAnswers, Taken
from seatrial.serving.journal import Feedback, Journal
from seatrial.serving.journal_files import JournalFiles
from seatrial.serving.metrics import MetricsSink
from tests.journals import POLICY, all_entries

LABELS = {("tiny", "1"): ("negative", "positive")}
PAID = MetricValue("paid", 9.5, "user-1")


def answer(request_id: str, *labels: str, outcome: Outcome = Outcome.SUCCESS) -> PredictionRecord:
    return PredictionRecord(request_id, "tiny", "1", outcome, 0.1, labels=labels)


class Desk:
    """A desk over a journal in a directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.metrics = MetricsSink()
        self.journal = Journal(JournalFiles(directory, POLICY))
        self.answers = RecentAnswers()
        self.desk = FeedbackDesk(self.journal, self.answers, self.metrics)

    async def take(self, *feedback: Feedback) -> Taken:
        return await self.desk.take(feedback, LABELS)

    def run(self, scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
        with self.journal.writing(self.metrics):
            asyncio.run(scenario())

    def counted(self) -> dict[tuple[str, str], float]:
        """How many true labels were counted, by version and whether the answer was right."""
        return {
            (sample.labels["version"], sample.labels["correct"]): sample.value
            for family in self.metrics._registry.collect()
            for sample in family.samples
            if sample.name == "feedback_total"
        }

    def true_labels(self) -> list[TrueLabel]:
        return [entry.true_label for entry in all_entries(self.directory) if entry.true_label]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_true_label_is_written_with_who_had_answered_and_counted(desk: Desk) -> None:
    desk.answers.record(answer("r", "positive", "negative"))

    async def scenario() -> None:
        assert await desk.take(TrueLabel("r", 0, "positive"), TrueLabel("r", 1, "positive")) == Taken(2, 0)
        assert await desk.take(TrueLabel("elsewhere", 7, "blue")) == Taken(1, 0)

    desk.run(scenario)
    assert desk.true_labels() == [
        TrueLabel("r", 0, "positive", "tiny", "1"),
        TrueLabel("r", 1, "positive", "tiny", "1"),
        TrueLabel("elsewhere", 7, "blue"),
    ]
    assert desk.counted() == {("1", "true"): 1, ("1", "false"): 1, ("unknown", "unknown"): 1}


@pytest.mark.parametrize("wrong", [TrueLabel("r", 2, "positive"), TrueLabel("r", 0, "blue")])
def test_what_contradicts_the_answer_is_refused_and_nothing_beside_it_is_taken(desk: Desk, wrong: TrueLabel) -> None:
    desk.answers.record(answer("r", "positive", "negative"))

    async def scenario() -> None:
        with pytest.raises(InvalidRequestError):
            await desk.take(TrueLabel("r", 0, "positive"), wrong, PAID)

    desk.run(scenario)
    assert all_entries(desk.directory) == []
    assert desk.counted() == {}


def test_a_label_of_a_version_that_was_unloaded_is_not_checked(desk: Desk) -> None:
    desk.answers.record(answer("r", "positive"))

    async def scenario() -> None:
        await desk.desk.take([TrueLabel("r", 0, "blue")], {})

    desk.run(scenario)
    assert desk.counted() == {("1", "false"): 1}


def test_the_same_true_label_is_written_once_and_another_one_again(desk: Desk) -> None:
    desk.answers.record(answer("r", "positive"))

    async def scenario() -> None:
        same = TrueLabel("r", 0, "positive")
        assert await desk.take(same, same) == Taken(1, 1)
        assert await desk.take(same) == Taken(0, 1)
        assert await desk.take(TrueLabel("r", 0, "negative"), same) == Taken(1, 1)

    desk.run(scenario)
    assert [fact.label for fact in desk.true_labels()] == ["positive", "negative"]
    assert sum(desk.counted().values()) == 2


def test_a_figure_that_is_sent_twice_counts_twice(desk: Desk) -> None:
    async def scenario() -> None:
        assert await desk.take(PAID, PAID) == Taken(2, 0)

    desk.run(scenario)
    assert [entry.metric_value for entry in all_entries(desk.directory)] == [PAID, PAID]


class Scripted(Journal):
    """A journal whose writes end as a test says."""

    def __init__(self, directory: Path) -> None:
        super().__init__(JournalFiles(directory, POLICY))
        self.writes: list[tuple[Sequence[Feedback], asyncio.Future[None]]] = []

    async def append(self, feedback: Sequence[Feedback], within_s: float) -> None:
        end = asyncio.get_running_loop().create_future()
        self.writes.append((feedback, end))
        await end


def test_of_two_that_come_together_neither_is_acknowledged_before_the_write(tmp_path: Path) -> None:
    async def scenario() -> None:
        journal = Scripted(tmp_path)
        desk = FeedbackDesk(journal, RecentAnswers(), MetricsSink())
        first, second = (asyncio.create_task(desk.take([TrueLabel("r", 0, "a")], {})) for _ in range(2))
        for _ in range(5):
            await asyncio.sleep(0)
        assert len(journal.writes) == 1
        assert not first.done()
        assert not second.done()
        journal.writes[0][1].set_result(None)
        assert await first == Taken(1, 0)
        assert await second == Taken(0, 1)

    asyncio.run(scenario())


@pytest.mark.parametrize("cancelled", [False, True])
def test_after_a_write_that_failed_nothing_counts_and_the_next_try_is_a_new_one(
    tmp_path: Path, cancelled: bool
) -> None:
    async def scenario() -> None:
        journal = Scripted(tmp_path)
        desk = FeedbackDesk(journal, RecentAnswers(), MetricsSink())
        first, second = (asyncio.create_task(desk.take([TrueLabel("r", 0, "a")], {})) for _ in range(2))
        for _ in range(5):
            await asyncio.sleep(0)
        if cancelled:
            first.cancel()
        else:
            journal.writes[0][1].set_exception(JournalUnavailableError("Full."))
        ended = await asyncio.gather(first, second, return_exceptions=True)
        assert isinstance(ended[0], asyncio.CancelledError if cancelled else JournalUnavailableError)
        assert isinstance(ended[1], JournalUnavailableError)
        again = asyncio.create_task(desk.take([TrueLabel("r", 0, "a")], {}))
        await asyncio.sleep(0)
        journal.writes[1][1].set_result(None)
        assert await again == Taken(1, 0)

    asyncio.run(scenario())


def test_what_is_remembered_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = RecentAnswers(most_answers=3, most_labels=10)
    for i in range(5):
        answers.record(answer(f"r{i}", "a"))
    assert [i for i in range(5) if answers.find(f"r{i}")] == [2, 3, 4]
    answers.record(answer("large", *"abcdefghi"))
    assert [i for i in range(5) if answers.find(f"r{i}")] == [4]
    answers.record(answer("huge", *"abcdefghijk"))
    assert answers.find("huge") is None
    monkeypatch.setattr(feedback_module, "_MOST_KNOWN", 2)
    desk = Desk(tmp_path)

    async def scenario() -> None:
        for i in (0, 1, 2, 2, 0):
            await desk.take(TrueLabel("r", i, "a"))

    desk.run(scenario)
    assert [fact.index for fact in desk.true_labels()] == [0, 1, 2, 0]


def test_only_answers_are_remembered_and_of_one_id_the_later(tmp_path: Path) -> None:
    answers = RecentAnswers(most_labels=4)
    answers.record(answer("r", "a"))
    answers.record(answer("r", "b", "c"))
    answers.record(answer("s", "a", "b"))
    answers.record(answer("r", outcome=Outcome.REJECTED))
    found = answers.find("r")
    assert found is not None
    assert found.labels == ("b", "c")
