"""How many steps a training has, and how fast it learns at each: nothing but the step and their number decides."""

from __future__ import annotations

__all__ = ["count_steps", "rate_ratio"]


def count_steps(rows: int, batch_size: int, epochs: float) -> tuple[int, int]:
    """Steps of one pass over the rows, and of the whole training; a part of an epoch is allowed.

    Example:
        >>> count_steps(rows=100, batch_size=32, epochs=1.5)
        (4, 6)
    """
    per_epoch = -(-rows // batch_size)
    return per_epoch, max(1, round(per_epoch * epochs))


def rate_ratio(step: int, steps: int, warmup_ratio: float) -> float:
    """Share of the peak learning rate at a step: rises over the warm-up, then falls linearly; never zero.

    Args:
        step: counted from 0.
        steps: of the whole training.
        warmup_ratio: share of the steps that warm up.

    Example:
        >>> [round(rate_ratio(step, 6, 0.34), 2) for step in range(6)]
        [0.33, 0.67, 1.0, 0.75, 0.5, 0.25]
    """
    warmup = round(steps * warmup_ratio)
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return (steps - step) / max(1, steps - warmup)
