from __future__ import annotations

import pytest

from seatrial.training.schedule import count_steps, rate_ratio


@pytest.mark.parametrize(
    ("rows", "batch_size", "epochs", "expected"),
    [
        (100, 32, 1.0, (4, 4)),
        (96, 32, 1.0, (3, 3)),
        (1, 32, 1.0, (1, 1)),
        (100, 10, 0.5, (10, 5)),
        (5, 2, 0.01, (3, 1)),
    ],
)
def test_a_training_has_at_least_one_step_and_counts_the_batch_of_leftovers(
    rows: int, batch_size: int, epochs: float, expected: tuple[int, int]
) -> None:
    assert count_steps(rows, batch_size, epochs) == expected


@pytest.mark.parametrize("steps", [1, 2, 17, 408])
@pytest.mark.parametrize("warmup_ratio", [0.0, 0.06, 0.5, 1.0])
def test_the_rate_rises_then_falls_and_is_never_zero(steps: int, warmup_ratio: float) -> None:
    ratios = [rate_ratio(step, steps, warmup_ratio) for step in range(steps)]
    peak = ratios.index(max(ratios))
    assert all(0 < ratio <= 1 for ratio in ratios)
    assert ratios[: peak + 1] == sorted(ratios[: peak + 1])
    assert ratios[peak:] == sorted(ratios[peak:], reverse=True)


def test_the_peak_comes_when_the_warm_up_is_over() -> None:
    assert rate_ratio(6, 100, 0.06) == 1.0
    assert rate_ratio(5, 100, 0.06) < 1.0
    assert rate_ratio(99, 100, 0.06) == pytest.approx(1 / 94)
