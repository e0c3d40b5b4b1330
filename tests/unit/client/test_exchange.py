"""When a client tries again, with a clock that only moves when it is told to wait."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.client.exchange import Attempt, Failure, Patience, Repeat, Reply, Request, exchange
from seatrial.domain.errors import OverloadedError, UsageError

GOOD = Reply(200, {}, b"")
ASKING = Request("POST", "/predict")
COUNTING = Request("POST", "/feedback", repeatable=False)


class Course:
    """Drives one exchange with scripted outcomes; each attempt takes `attempt_s`."""

    def __init__(self, attempt_s: float = 0.0) -> None:
        self.now_s = 100.0
        self.attempt_s = attempt_s
        self.within_s: list[float] = []
        self.pauses_s: list[float] = []

    def run(
        self, outcomes: Iterable[Reply | Failure], request: Request = ASKING, patience: Patience | None = None
    ) -> Reply:
        course = exchange(request, patience or Patience(), lambda: self.now_s, lambda: 0.5)
        script = iter(outcomes)
        wanted = next(course)
        while True:
            outcome = None
            if isinstance(wanted, Attempt):
                self.within_s.append(wanted.within_s)
                self.now_s += min(self.attempt_s, wanted.within_s)
                outcome = next(script)
            else:
                self.pauses_s.append(wanted.seconds)
                self.now_s += wanted.seconds
            try:
                wanted = course.send(outcome)
            except StopIteration as end:
                reply: Reply = end.value
                return reply


def failed(repeat: Repeat, retry_after_s: float = 0.0) -> Failure:
    return Failure(OverloadedError("Full.", retry_after_s), repeat, retry_after_s)


def test_a_good_answer_ends_it() -> None:
    course = Course()
    assert course.run([GOOD]) is GOOD
    assert (course.within_s, course.pauses_s) == ([60.0], [])


def test_pauses_double_and_time_runs_on() -> None:
    course = Course(attempt_s=1.0)
    assert course.run([failed(Repeat.ALWAYS)] * 3 + [GOOD]) is GOOD
    assert course.pauses_s == [0.05, 0.1, 0.2]
    assert course.within_s == pytest.approx([60.0, 58.95, 57.85, 56.65])


def test_what_the_server_asks_for_is_the_least_pause() -> None:
    course = Course()
    course.run([failed(Repeat.ALWAYS, 3.0), GOOD])
    assert course.pauses_s == [3.05]


@pytest.mark.parametrize(
    ("repeat", "request_", "attempts"),
    [
        (Repeat.ALWAYS, ASKING, 6),
        (Repeat.ALWAYS, COUNTING, 6),
        (Repeat.WHERE_HARMLESS, ASKING, 6),
        (Repeat.WHERE_HARMLESS, COUNTING, 1),
        (Repeat.NEVER, ASKING, 1),
        (Repeat.NEVER, COUNTING, 1),
    ],
)
def test_only_what_is_safe_is_repeated(repeat: Repeat, request_: Request, attempts: int) -> None:
    course = Course()
    with pytest.raises(OverloadedError):
        course.run([failed(repeat)] * 100, request_)
    assert len(course.within_s) == attempts


def test_the_last_failure_is_raised_and_not_slept_on() -> None:
    course, last = Course(), failed(Repeat.ALWAYS)
    with pytest.raises(OverloadedError) as raised:
        course.run([failed(Repeat.ALWAYS), last], patience=Patience(attempts=2))
    assert raised.value is last.error
    assert len(course.pauses_s) == 1


def test_no_pause_leads_beyond_the_end() -> None:
    """A caller who would be told after his time that there was no time is told now."""
    course = Course()
    with pytest.raises(OverloadedError):
        course.run([failed(Repeat.ALWAYS, 61.0)])
    assert course.now_s == 100.0


@given(
    attempt_s=st.floats(0, 30),
    total_s=st.floats(0.1, 100),
    retry_after_s=st.floats(0, 50),
    attempts=st.integers(1, 50),
    first_pause_s=st.floats(0, 10),
)
def test_whatever_happens_the_caller_waits_no_longer_than_he_said(
    attempt_s: float, total_s: float, retry_after_s: float, attempts: int, first_pause_s: float
) -> None:
    course = Course(attempt_s)
    patience = Patience(total_s=total_s, attempts=attempts, first_pause_s=first_pause_s)
    with pytest.raises(OverloadedError):
        course.run([failed(Repeat.ALWAYS, retry_after_s)] * attempts, patience=patience)
    assert course.now_s <= 100.0 + total_s + 1e-6
    assert 1 <= len(course.within_s) <= attempts


@pytest.mark.parametrize(
    "fields", [{"connect_s": 0}, {"read_s": -1}, {"total_s": 0}, {"attempts": 0}, {"first_pause_s": -1}]
)
def test_patience_that_nobody_could_have_is_refused(fields: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="at least one attempt"):
        Patience(**fields)  # type: ignore[arg-type]  # attempts is an integer in each case


def test_a_driver_that_brings_nothing_back_is_a_fault() -> None:
    course = exchange(ASKING, Patience(), lambda: 0.0, lambda: 0.5)
    assert isinstance(next(course), Attempt)
    with pytest.raises(AssertionError, match="reply or a failure"):
        course.send(None)
