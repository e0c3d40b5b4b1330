"""How many requests until a difference is seen, and with what power: by simulating the very test that will be used.

A request falls into one cell (failed or not; between which thresholds; which class). The cells are drawn for both arms,
the e-process is computed at looks of growing distance, and the first look at or above the alarm level counts.

Source: plain Monte Carlo; the tests are those of `rate_ratio`, `exceedances` and `class_mix`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seatrial.stats.class_mix import log_other_mix_by_start
from seatrial.stats.evidence import FloatArray
from seatrial.stats.exceedances import log_slower_by_start
from seatrial.stats.rate_ratio import log_harm_by_start

__all__ = [
    "Difference",
    "class_evidence",
    "detection_requests",
    "error_evidence",
    "latency_evidence",
    "power_within",
    "requests_for_power",
]

Counts = npt.NDArray[np.int64]
Evidence = Callable[[Counts, Counts, float], FloatArray]
"""(..., cells) counts of challenger and champion, and the challenger's share, to (...) log E."""

_LOOKS = 80
_FIRST_LOOK_REQUESTS = 20


@dataclass(frozen=True, slots=True)
class Difference:
    """Two arms that differ, and when that counts as seen.

    Attributes:
        share_ratio: the challenger's share of the requests.
        champion: (cells,) probability of each cell for one request; they sum to 1.
        challenger: (cells,) likewise.
        log_level: log evidence that is an alarm.
    """

    share_ratio: float
    champion: tuple[float, ...]
    challenger: tuple[float, ...]
    log_level: float


def error_evidence(tolerated_ratio: float = 1.0) -> Evidence:
    """Evidence of more errors; the first of two cells is the error."""

    def evidence(challenger: Counts, champion: Counts, share_ratio: float) -> FloatArray:
        return log_harm_by_start(challenger[..., :1], champion[..., :1], (share_ratio,), tolerated_ratio)[..., 0]

    return evidence


def latency_evidence(challenger: Counts, champion: Counts, share_ratio: float) -> FloatArray:
    """Evidence of slowness; the first cell is below all thresholds, each further one above one more of them."""
    tails = [np.cumsum(arm[..., :0:-1], axis=-1)[..., ::-1, np.newaxis] for arm in (challenger, champion)]
    return log_slower_by_start(tails[0], tails[1], (share_ratio,))[..., 0]


def class_evidence(challenger: Counts, champion: Counts, share_ratio: float) -> FloatArray:
    """Evidence of another mix; each cell is a class."""
    return log_other_mix_by_start(challenger[..., np.newaxis], champion[..., np.newaxis], (share_ratio,))[..., 0]


def detection_requests(
    difference: Difference, evidence: Evidence, horizon_requests: int, *, runs: int = 400, seed: int = 0
) -> FloatArray:
    """Requests of both arms until the alarm, in each of some simulated runs; infinite where it never came.

    Args:
        difference: what is there to be seen.
        evidence: the test.
        horizon_requests: when a run ends.
        runs: how many.
        seed: equal seeds give equal figures.

    Returns:
        (runs,) requests.
    """
    looks = np.unique(np.geomspace(min(_FIRST_LOOK_REQUESTS, horizon_requests), horizon_requests, _LOOKS).astype(int))
    rng = np.random.default_rng(seed)
    between = np.broadcast_to(np.diff(looks, prepend=0), (runs, len(looks)))
    routed = rng.binomial(between, difference.share_ratio)
    challenger = np.cumsum(rng.multinomial(routed, difference.challenger), axis=1)
    champion = np.cumsum(rng.multinomial(between - routed, difference.champion), axis=1)
    alarms = evidence(challenger, champion, difference.share_ratio) >= difference.log_level
    return np.where(alarms.any(axis=1), looks[alarms.argmax(axis=1)], np.inf)


def power_within(detections: FloatArray, budget_requests: float) -> float:
    """Share of the runs that saw the difference within the budget.

    Example:
        >>> power_within(np.array([100.0, 900.0, np.inf, np.inf]), 500)
        0.25
    """
    return float((detections <= budget_requests).mean())


def requests_for_power(detections: FloatArray, power: float) -> float:
    """Requests after which so large a share of the runs had seen it; infinite where too few ever did.

    Example:
        >>> requests_for_power(np.array([100.0, 900.0, np.inf, np.inf]), 0.5)
        900.0
    """
    ordered: Sequence[float] = np.sort(detections).tolist()
    return ordered[max(0, int(np.ceil(power * len(ordered))) - 1)]
