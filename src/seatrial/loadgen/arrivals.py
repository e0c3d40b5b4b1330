"""When the requests of an open loop arrive: pure, and the same for the same seed."""

from __future__ import annotations

import random
from collections.abc import Iterator

from seatrial.loadgen.plan import Open

__all__ = ["arrivals"]


def arrivals(plan: Open, seed: int) -> Iterator[float]:
    """Seconds from the start at which requests are due, without end.

    Args:
        plan: evenly spaced, or a Poisson process: gaps are exponential with mean ``1 / rate_per_s``.

    Example:
        >>> from itertools import islice
        >>> list(islice(arrivals(Open(rate_per_s=4, poisson=False), seed=0), 3))
        [0.0, 0.25, 0.5]
    """
    rng = random.Random(seed)
    number, due_s = 0, 0.0
    while True:
        yield due_s
        number += 1
        due_s = due_s + rng.expovariate(plan.rate_per_s) if plan.poisson else number / plan.rate_per_s
