from __future__ import annotations

import pytest

from seatrial.training.pace import Pace, duration


def test_the_speed_of_a_run_that_resumed_counts_its_own_steps_only() -> None:
    assert Pace(steps=100, first_step=90, started_s=0.0).left_s(done=91, now_s=2.0) == 18.0


def test_nothing_is_left_after_the_last_step() -> None:
    assert Pace(steps=10, first_step=0, started_s=0.0).left_s(done=10, now_s=5.0) == 0.0


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0s"), (59.4, "59s"), (59.6, "1m00s"), (3599.7, "1h00m"), (90000, "25h00m")]
)
def test_a_duration_in_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words
